"""What memory math needs to know of a model: its modules, their shapes, and how attention and feed-forward work."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Linear:
    """A matrix product: `copies` > 1 is one three-dimensional parameter that holds the matrices of all experts.

    aliases: the only names by which peft's adapters find it, all of which must be targeted; None for its own name.
    peft renames targets of mixtures this way, so that matrices of other modules of the same name are left out.
    """

    path: str
    inputs: int
    outputs: int
    bias: bool = False
    role: str = ""
    copies: int = 1
    conv1d: bool = False
    aliases: tuple[str, ...] | None = None

    @property
    def name(self) -> str:
        """The last part of the path, as adapter targets name it."""
        return self.path.rpartition(".")[2]

    @property
    def weights(self) -> int:
        """Values in the matrix (all copies), without the bias."""
        return self.inputs * self.outputs * self.copies

    @property
    def parameters(self) -> int:
        """Values in matrix and bias."""
        return self.weights + (self.outputs * self.copies if self.bias else 0)


@dataclass(frozen=True, slots=True)
class Norm:
    """A normalisation. kind says what it keeps for the backward pass.

    rms scales in the stream's dtype, rms-fp32 in fp32 as gemma does, centred-fp32 subtracts the mean as cohere does,
    layer is torch's LayerNorm.
    """

    path: str
    width: int
    kind: str = "rms"
    bias: bool = False
    weight: bool = True
    outer: bool = False

    @property
    def around(self) -> bool:
        """Whether it stands around attention or feed-forward, not inside one of them."""
        return self.outer or "." not in self.path

    @property
    def parameters(self) -> int:
        """Values in scale and shift."""
        return self.width * (self.weight + self.bias)


@dataclass(frozen=True, slots=True)
class Embedding:
    """A lookup table of rows x width values."""

    path: str
    rows: int
    width: int

    @property
    def parameters(self) -> int:
        """Values in the table."""
        return self.rows * self.width


@dataclass(frozen=True, slots=True)
class Tensor:
    """A bare parameter that belongs to no matrix product, such as attention sinks or a bias of the output layer."""

    path: str
    parameters: int


Module = Norm | Embedding | Tensor


@dataclass(frozen=True, slots=True)
class Attention:
    """How one block attends. Widths are values a token; `window` is 0 for full attention.

    native_softmax: eager attention takes softmax in the dtype of the scores, not in fp32. fp32_scores: it multiplies
    queries and keys in fp32.
    """

    heads: int
    kv_heads: int
    head_dim: int
    value_dim: int
    window: int = 0
    latent: int = 0
    rope_dim: int = 0
    query_latent: int = 0
    softcap: bool = False
    sinks: bool = False
    qk_norm: str = ""
    positions: str = "rope"
    fused_qkv: bool = False
    partial_rope: bool = False
    dropout: bool = False
    native_softmax: bool = False
    fp32_scores: bool = False

    @property
    def query_width(self) -> int:
        """Width of all queries of a token."""
        return self.heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Width of all keys of a token, before they are repeated for grouped queries."""
        return self.kv_heads * self.head_dim

    @property
    def output_width(self) -> int:
        """Width of what the heads return together: the input of the output projection."""
        return self.heads * self.value_dim

    @property
    def cache_width(self) -> int:
        """Values that a key-value cache keeps a token: keys and values of each group, or the latent of MLA.

        transformers caches the expanded keys and values of MLA models; engines built for them cache the latent.
        """
        return self.kv_heads * (self.head_dim + self.value_dim)

    @property
    def latent_cache_width(self) -> int:
        """Values a token that an engine which caches the MLA latent keeps; the plain width elsewhere."""
        return self.latent + self.rope_dim if self.latent else self.cache_width


@dataclass(frozen=True, slots=True)
class FeedForward:
    """The second half of a block. experts = 0 is dense; `top_k` experts of width `expert_width` see each token."""

    width: int
    gated: bool = True
    activation: str = "silu"
    fused: bool = False
    experts: int = 0
    top_k: int = 0
    expert_width: int = 0
    shared_width: int = 0


@dataclass(frozen=True, slots=True)
class Block:
    """`count` equal layers, with the indices where they stand."""

    indices: tuple[int, ...]
    linears: tuple[Linear, ...]
    norms: tuple[Norm, ...]
    attention: Attention
    feed_forward: FeedForward
    tensors: tuple[Tensor, ...] = ()
    hidden_width: int = 0
    parallel: bool = False
    post_norm: bool = False
    dropout: bool = False

    @property
    def count(self) -> int:
        """How many layers are of this kind."""
        return len(self.indices)

    @property
    def small_modules(self) -> tuple[Module, ...]:
        """Everything but matrix products."""
        return (*self.norms, *self.tensors)

    @property
    def parameters(self) -> int:
        """Values in one layer."""
        return sum(m.parameters for m in self.linears) + sum(m.parameters for m in self.small_modules)


@dataclass(frozen=True, slots=True)
class Quantization:
    """How a checkpoint stores the matrices of its blocks: method (gptq, awq, fp8, ...) and bits a value."""

    method: str
    bits: float
    group: int = 0


@dataclass(frozen=True, eq=False)
class Architecture:
    """One model as memory math sees it. Compared by identity: `read_architecture` returns one object a config.

    `known` is False for a family that this package has no table for; `missing` then says what was guessed.
    """

    model_type: str
    family: str
    hidden: int
    vocab: int
    embeddings: tuple[Embedding, ...]
    blocks: tuple[Block, ...]
    norms: tuple[Norm, ...]
    head: Linear | None
    tied: bool
    prefix: str = "model.layers"
    linears: tuple[Linear, ...] = ()
    tensors: tuple[Tensor, ...] = ()
    max_positions: int = 0
    soft_capped_logits: bool = False
    decoder: bool = True
    known: bool = True
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    quantization: Quantization | None = None
    declared_parameters: int | None = field(default=None)

    @cached_property
    def layers(self) -> int:
        """Number of blocks."""
        return sum(block.count for block in self.blocks)

    @cached_property
    def small_modules(self) -> tuple[Module, ...]:
        """Everything outside the blocks but matrix products."""
        return (*self.embeddings, *self.norms, *self.tensors)

    @cached_property
    def parameters(self) -> int:
        """Values in the whole model, shared ones counted once: `sum(p.numel() for p in model.parameters())`."""
        if self.declared_parameters is not None:
            return self.declared_parameters
        outer = sum(m.parameters for m in self.small_modules) + sum(m.parameters for m in self.linears)
        head = 0
        if self.head is not None:
            head = self.head.parameters - (self.head.weights if self.tied else 0)
        return outer + head + sum(block.count * block.parameters for block in self.blocks)

    @cached_property
    def active_parameters(self) -> int:
        """Values that take part in the forward pass of one token: all but the experts that are not chosen."""
        idle = 0
        for block in self.blocks:
            mixture = block.feed_forward
            if mixture.experts:
                stacked = sum(m.parameters for m in block.linears if m.copies > 1)
                idle += block.count * stacked * (mixture.experts - mixture.top_k) // mixture.experts
        return self.parameters - idle

    @cached_property
    def is_mixture(self) -> bool:
        """Whether any layer routes tokens to experts."""
        return any(block.feed_forward.experts for block in self.blocks)

    @cached_property
    def layer_norm(self) -> bool:
        """Whether the blocks normalise with torch's LayerNorm."""
        return any(norm.kind == "layer" for block in self.blocks for norm in block.norms)

    @cached_property
    def embedding_norm(self) -> bool:
        """Whether embeddings are normalised before the first block, so that autocast starts the stream in fp32."""
        return len(self.norms) > 1

    def matrices(self) -> Iterator[tuple[Linear, int]]:
        """Yield each matrix product with how often it occurs, the output layer last."""
        for block in self.blocks:
            for linear in block.linears:
                yield linear, block.count
        for linear in self.linears:
            yield linear, 1
        if self.head is not None:
            yield self.head, 1
