"""Encoders of the BERT kind, with their masked-language-model head [bert-2018]."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.memory.architecture import Architecture, Attention, Block, Embedding, FeedForward, Linear, Norm, Tensor
from planner.memory.families.decoder import head_shape

if TYPE_CHECKING:
    from planner.memory.config_reader import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """Module names of an encoder, as in transformers. Empty where the family has no such module."""

    root: str
    layers: str = "encoder.layer"
    attention: tuple[str, str, str, str] = (
        "attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense",
    )  # fmt: skip
    attention_norm: str = "attention.output.LayerNorm"
    up: str = "intermediate.dense"
    down: str = "output.dense"
    output_norm: str = "output.LayerNorm"
    types: str = "token_type_embeddings"
    transform: str
    transform_norm: str
    bias: str


_ROBERTA = Names(root="roberta", transform="lm_head.dense", transform_norm="lm_head.layer_norm", bias="lm_head.bias")
ENCODERS: dict[str, Names] = {
    "bert": Names(
        root="bert", transform="cls.predictions.transform.dense", transform_norm="cls.predictions.transform.LayerNorm",
        bias="cls.predictions.bias",
    ),
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
    "camembert": _ROBERTA,
    "electra": Names(
        root="electra", transform="generator_predictions.dense", transform_norm="generator_predictions.LayerNorm",
        bias="generator_lm_head.bias",
    ),
    "distilbert": Names(
        root="distilbert", layers="transformer.layer",
        attention=("attention.q_lin", "attention.k_lin", "attention.v_lin", "attention.out_lin"),
        attention_norm="sa_layer_norm", up="ffn.lin1", down="ffn.lin2", output_norm="output_layer_norm", types="",
        transform="vocab_transform", transform_norm="vocab_layer_norm", bias="vocab_projector.bias",
    ),
}  # fmt: skip


def encoder(config: Config) -> Architecture:
    """Return the architecture of an encoder.

    Raises:
        EstimateError: when a size is missing, not positive, or heads do not divide.
    """
    names = ENCODERS[config.model_type]
    hidden, vocab = config.size("hidden"), config.size("vocab")
    heads, _, head_dim = head_shape(config, hidden)
    width = config.number("intermediate") or 4 * hidden
    narrow = config.number("embedding_size") or hidden
    positions = config.number("positions") or 512
    tables = [
        Embedding(f"{names.root}.embeddings.word_embeddings", vocab, narrow),
        Embedding(f"{names.root}.embeddings.position_embeddings", positions, narrow),
    ]
    if names.types:
        tables.append(
            Embedding(f"{names.root}.embeddings.{names.types}", config.number("type_vocab_size") or 2, narrow)
        )
    linears = [Linear(names.transform, hidden, narrow, bias=True, role="transform")]
    if narrow != hidden:
        linears.append(Linear(f"{names.root}.embeddings_project", narrow, hidden, bias=True, role="project"))
    roles = ("q", "k", "v", "o")
    block = Block(
        indices=tuple(range(config.size("layers"))),
        linears=(
            *(Linear(path, hidden, hidden, True, role) for path, role in zip(names.attention, roles, strict=True)),  # noqa: FBT003
            Linear(names.up, hidden, width, bias=True, role="up"),
            Linear(names.down, width, hidden, bias=True, role="down"),
        ),
        norms=(
            Norm(names.attention_norm, hidden, "layer", bias=True, outer=True),
            Norm(names.output_norm, hidden, "layer", bias=True, outer=True),
        ),
        attention=Attention(heads, heads, head_dim, head_dim, positions="learned", dropout=True, native_softmax=True),
        feed_forward=FeedForward(width, gated=False, activation=config.word("activation", "gelu")),
        hidden_width=hidden,
        post_norm=True,
        dropout=True,
    )
    return Architecture(
        model_type=config.model_type,
        family="encoder",
        hidden=hidden,
        vocab=vocab,
        embeddings=tuple(tables),
        blocks=(block,),
        norms=(
            Norm(names.transform_norm, narrow, "layer", bias=True),
            Norm(f"{names.root}.embeddings.LayerNorm", narrow, "layer", bias=True),
        ),
        head=Linear("decoder", narrow, vocab, role="head"),
        tied=config.flag("tie_word_embeddings"),
        prefix=f"{names.root}.{names.layers}",
        linears=tuple(linears),
        tensors=(Tensor(names.bias, vocab),),
        max_positions=positions,
        decoder=False,
        notes=("with its masked-language-model head",),
    )
