"""Mixtures of experts: which layers route, where the experts and the shared ones are, how adapters find them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import planner.memory.families.decoder as plain
from planner.memory.architecture import Architecture, Attention, Block, FeedForward, Linear, Norm, Tensor
from planner.memory.families.latent import latent_attention
from planner.memory.families.layout import Layout

if TYPE_CHECKING:
    from planner.memory.config_reader import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixture:
    """How a mixture differs from the dense layout beside it. `renamed` is peft's table of target names."""

    layout: Layout = Layout()  # noqa: RUF009 - frozen
    width: str = "moe_intermediate_size"
    base: str = "mlp"
    router: str = "gate"
    router_bias: bool = False
    router_extra: str = ""
    expert_bias: bool = False
    shared: str = ""
    shared_gate: str = ""
    renamed: str = "qwen2_moe"
    latent: bool = False
    sinks: bool = False


_QWEN = Layout(qkv_bias="attention_bias", o_bias="attention_bias", qk_norm="head")
MIXTURES: dict[str, Mixture] = {
    "mixtral": Mixture(width="intermediate_size", renamed="mixtral"),
    "qwen2_moe": Mixture(
        layout=Layout(qkv_bias="qkv_bias"), shared="shared_expert", shared_gate="shared_expert_gate", renamed=""
    ),
    "qwen3_moe": Mixture(layout=_QWEN),
    "olmoe": Mixture(layout=replace(_QWEN, qk_norm="width"), width="intermediate_size"),
    "phimoe": Mixture(
        layout=Layout(qkv_bias="attention_bias", o_bias="attention_bias", norm="layer", norm_bias=True),
        width="intermediate_size",
        router="router",
        renamed="",
    ),
    "granitemoe": Mixture(
        layout=Layout(qkv_bias="attention_bias", o_bias="attention_bias"),
        width="intermediate_size",
        base="block_sparse_moe",
        router="router",
        renamed="",
    ),
    "gpt_oss": Mixture(
        layout=Layout(
            norm="rms-fp32", qkv_bias="attention_bias", o_bias="attention_bias", pattern="2", native_softmax=True
        ),
        width="intermediate_size",
        router="router",
        router_bias=True,
        expert_bias=True,
        renamed="",
        sinks=True,
    ),
    "deepseek_v2": Mixture(shared="shared_experts", latent=True),
    "deepseek_v3": Mixture(shared="shared_experts", latent=True),
    "glm4_moe": Mixture(layout=replace(_QWEN, qk_norm_if="use_qk_norm", o_bias=False), shared="shared_experts"),
    "dots1": Mixture(layout=_QWEN, shared="shared_experts"),
    "ernie4_5_moe": Mixture(
        layout=Layout(qkv_bias="use_bias", o_bias="use_bias", mlp_bias="use_bias"),
        shared="shared_experts",
        router_extra="moe_statics.e_score_correction_bias",
    ),
}
#: Old names of experts' matrices by peft's table: gate and up, down.
_OLD_NAMES = {"mixtral": (("w1", "w3"), ("w2",)), "qwen2_moe": (("gate_proj", "up_proj"), ("down_proj",))}


def mixture(config: Config) -> Architecture:
    """Return the architecture of a mixture of experts.

    Raises:
        EstimateError: when a size is missing, not positive, or heads do not divide.
    """
    row = MIXTURES[config.model_type]
    layout = row.layout
    hidden = config.size("hidden")
    blocks = []
    for window, indices in plain.by_window(config, layout).items():
        attention, projections, inner = _attention(config, row, hidden, window)
        outer = plain.block_norms(config, layout, hidden, replace(attention, qk_norm=""))
        for sparse in (False, True):
            chosen = tuple(index for index in indices if is_sparse(config, index) == sparse)
            if not chosen:
                continue
            forward, linears, tensors = _experts(config, row, hidden) if sparse else _dense(config, row, hidden)
            if row.sinks:
                tensors = (*tensors, Tensor(f"{layout.attention}.sinks", attention.heads))
            blocks.append(
                Block(
                    indices=chosen,
                    linears=(*projections, *linears),
                    norms=(*outer, *inner),
                    attention=attention,
                    feed_forward=forward,
                    tensors=tensors,
                    hidden_width=hidden,
                )
            )
    head_bias = config.flag("lm_head_bias")
    return plain.assemble(config, replace(layout, head_bias=head_bias), hidden, tuple(blocks))


def latent_dense(config: Config) -> Architecture:
    """Return the architecture of a dense decoder with latent attention (minicpm3)."""
    hidden = config.size("hidden")
    layout = Layout(mlp_bias="mlp_bias")
    attention, projections, inner = latent_attention(config, hidden)
    forward, linears, _ = _dense(config, Mixture(layout=layout, renamed=""), hidden)
    block = Block(
        indices=tuple(range(config.size("layers"))),
        linears=(*projections, *linears),
        norms=(*plain.block_norms(config, layout, hidden, replace(attention, qk_norm="")), *inner),
        attention=attention,
        feed_forward=forward,
        hidden_width=hidden,
    )
    return plain.assemble(config, layout, hidden, (block,))


def is_sparse(config: Config, index: int) -> bool:
    """Whether the layer of this index routes to experts."""
    dense_first = config.number_or_zero("first_k_dense_replace")
    if config.raw.get("mlp_layer_types"):
        return bool(config.raw["mlp_layer_types"][index] == "sparse")
    if config.get("moe_layer_start_index") is not None:
        start, step = config.number_or_zero("moe_layer_start_index"), config.number("moe_layer_interval") or 1
        end = int(config.get("moe_layer_end_index", -1))
        return index >= start and (end < 0 or index <= end) and (index + 1) % step == 0
    step = config.number("decoder_sparse_step") or 1
    only_dense = config.get("mlp_only_layers") or []
    return index >= dense_first and index not in only_dense and (index + 1) % step == 0


def _attention(
    config: Config, row: Mixture, hidden: int, window: int
) -> tuple[Attention, tuple[Linear, ...], tuple[Norm, ...]]:
    if row.latent:
        return latent_attention(config, hidden)
    shape = plain.head_shape(config, hidden)
    attention = replace(plain.attention_of(config, row.layout, shape, window), sinks=row.sinks)
    norms = plain.block_norms(config, replace(row.layout, before_attention=None, before_mlp=None), hidden, attention)
    return attention, plain.attention_linears(config, row.layout, hidden, attention), norms


def _dense(config: Config, row: Mixture, hidden: int) -> tuple[FeedForward, tuple[Linear, ...], tuple[Tensor, ...]]:
    width = config.size("intermediate")
    activation = config.word("activation", "silu")
    linears = plain.mlp_linears(config, row.layout, hidden, width)
    return FeedForward(width, activation=activation), _renamed(linears, row), ()


def _renamed(linears: tuple[Linear, ...], row: Mixture) -> tuple[Linear, ...]:
    """Hide matrices whose names peft's table gives to the experts."""
    taken = {name for names in _OLD_NAMES.get(row.renamed, ()) for name in names}
    return tuple(replace(linear, aliases=()) if linear.name in taken else linear for linear in linears)


def _experts(config: Config, row: Mixture, hidden: int) -> tuple[FeedForward, tuple[Linear, ...], tuple[Tensor, ...]]:
    count = config.size("experts")
    width = config.size("intermediate" if row.width == "intermediate_size" else row.width)
    chosen = config.number("top_k") or 2
    up_names, down_names = _OLD_NAMES.get(row.renamed, ((), ()))
    router_names = ("gate",) if row.renamed else ()
    experts = f"{row.base}.experts"
    linears = [
        Linear(f"{row.base}.{row.router}", hidden, count, row.router_bias, "router", aliases=router_names),
        Linear(f"{experts}.gate_up_proj", hidden, 2 * width, row.expert_bias, "expert_up", count, aliases=up_names),
        Linear(f"{experts}.down_proj", width, hidden, row.expert_bias, "expert_down", count, aliases=down_names),
    ]
    shared = 0
    if row.shared:
        shared = config.number("shared_expert_intermediate_size") or width * (
            config.number("n_shared_experts") or config.number("moe_num_shared_experts") or 0
        )
    if shared:
        inner = plain.mlp_linears(config, row.layout, hidden, shared, f"{row.base}.{row.shared}")
        linears += _renamed(inner, row)
    if row.shared_gate:
        linears.append(Linear(f"{row.base}.{row.shared_gate}", hidden, 1, role="shared_gate"))
    tensors = (Tensor(f"{row.base}.{row.router}.{row.router_extra}", count),) if row.router_extra else ()
    forward = FeedForward(
        width=shared,
        activation=config.word("activation", "silu"),
        experts=count,
        top_k=min(chosen, count),
        expert_width=width,
        shared_width=shared,
    )
    return forward, tuple(linears), tensors
