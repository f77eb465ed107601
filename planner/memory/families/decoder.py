"""Builds the description of dense decoders (and of the dense half of others) from a layout and a config."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.architecture import (
    Architecture,
    Attention,
    Block,
    Embedding,
    FeedForward,
    Linear,
    Norm,
    Tensor,
)
from planner.memory.errors import EstimateError
from planner.memory.families.layouts import LAYOUTS

if TYPE_CHECKING:
    from planner.memory.config_reader import Config
    from planner.memory.families.layout import Layout


DROPOUTS = ("resid_pdrop", "hidden_dropout", "dropout", "residual_dropout", "hidden_dropout_prob", "resid_dropout")


#: Types whose head size is the hidden size divided by the heads, rounded down.
FLOOR_HEADS = frozenset({"glm4_moe"})


def dense(config: Config, layout: Layout | None = None) -> Architecture:
    """Return the architecture of a dense decoder whose layout is known.

    Raises:
        EstimateError: when a size is missing, not positive, or heads do not divide.
    """
    layout = layout or LAYOUTS[config.model_type]
    hidden = config.size("hidden")
    shape = head_shape(config, hidden, grouped=layout.grouped)
    width = config.number("intermediate") or hidden * (layout.intermediate_factor or 4)
    activation = config.word("activation", "gelu")
    gated = layout.gated
    feed_forward = FeedForward(width=width, gated=gated, activation=activation, fused=bool(layout.gate_up))
    blocks = []
    for window, indices in by_window(config, layout).items():
        attention = attention_of(config, layout, shape, window)
        linears = (*attention_linears(config, layout, hidden, attention), *mlp_linears(config, layout, hidden, width))
        blocks.append(
            Block(
                indices=indices,
                linears=linears,
                norms=block_norms(config, layout, hidden, attention),
                attention=attention,
                feed_forward=feed_forward,
                hidden_width=hidden,
                parallel=switch(config, layout.parallel),
                dropout=any(float(config.get(key) or 0) > 0 for key in DROPOUTS),
                post_norm=layout.before_attention is None,
            )
        )
    return assemble(config, layout, hidden, tuple(blocks))


def switch(config: Config, rule: str | bool) -> bool:  # noqa: FBT001 - a cell of the layout
    """Resolve a bias rule of a layout: fixed, or a switch of the config, negated by a leading ``!``."""
    if isinstance(rule, bool):
        return rule
    return not config.flag(rule[1:]) if rule.startswith("!") else config.flag(rule)


def head_shape(config: Config, hidden: int, *, grouped: bool = True) -> tuple[int, int, int]:
    """Return heads, key-value heads and values a head.

    Raises:
        EstimateError: when the hidden size does not divide by the heads, or heads by key-value heads.
    """
    heads = config.size("heads")
    kv_heads = (config.number("kv_heads") or heads) if grouped else heads
    head_dim = config.number("head_dim")
    if config.flag("multi_query") and not config.flag("new_decoder_architecture"):
        kv_heads = 1
    if head_dim is None:
        if hidden % heads and config.model_type not in FLOOR_HEADS:
            raise EstimateError(
                f"num_attention_heads {heads} does not divide hidden_size {hidden} and there is no head_dim.",
                field="num_attention_heads",
                value=heads,
                allowed=f"a divisor of {hidden}",
            )
        head_dim = hidden // heads
    if heads % kv_heads:
        raise EstimateError(
            f"num_key_value_heads {kv_heads} does not divide num_attention_heads {heads}.",
            field="num_key_value_heads",
            value=kv_heads,
            allowed=f"a divisor of {heads}",
        )
    return heads, kv_heads, head_dim


def by_window(config: Config, layout: Layout) -> dict[int, tuple[int, ...]]:
    """Group layer indices by their sliding window in tokens, 0 for full attention, in order of first use."""
    layers = config.size("layers")
    window = config.number_or_zero("sliding_window")
    kinds = config.get("layer_types")
    if config.raw.get("use_sliding_window") is False or (
        "use_sliding_window" not in config.raw and config.get("use_sliding_window") is False
    ):
        window = 0
    if not window:
        return {0: tuple(range(layers))}
    if isinstance(kinds, list) and len(kinds) == layers:
        sliding = [kind == "sliding_attention" for kind in kinds]
    elif layout.pattern:
        step = config.number("sliding_window_pattern") or int(layout.pattern)
        sliding = [bool((index + 1) % step) for index in range(layers)]
    elif config.get("max_window_layers") is not None:
        sliding = [index >= int(config.get("max_window_layers")) for index in range(layers)]
    else:
        sliding = [True] * layers
    groups: dict[int, list[int]] = {}
    for index, is_sliding in enumerate(sliding):
        groups.setdefault(window if is_sliding else 0, []).append(index)
    return {key: tuple(value) for key, value in groups.items()}


def attention_of(config: Config, layout: Layout, shape: tuple[int, int, int], window: int) -> Attention:
    """Describe the attention of a layer."""
    heads, kv_heads, head_dim = shape
    qk_norm = layout.qk_norm if not layout.qk_norm_if or config.flag(layout.qk_norm_if) else ""
    return Attention(
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head_dim,
        value_dim=head_dim,
        window=window,
        softcap=config.get("attn_logit_softcapping") is not None,
        qk_norm=qk_norm,
        positions=layout.position_kind,
        fused_qkv=bool(layout.qkv),
        partial_rope=layout.partial_rope,
        native_softmax=layout.native_softmax,
        fp32_scores=layout.fp32_scores,
        dropout=any(float(config.get(key) or 0) > 0 for key in ("attn_pdrop", "attention_dropout")),
    )


def attention_linears(config: Config, layout: Layout, hidden: int, attention: Attention) -> tuple[Linear, ...]:
    """List the projections of attention under their names in transformers."""
    base = layout.attention
    bias = switch(config, layout.qkv_bias)
    conv = layout.conv1d
    query, key = attention.query_width, attention.key_width
    out = Linear(f"{base}.{layout.o}", query, hidden, switch(config, layout.o_bias), "o", conv1d=conv)
    if layout.qkv:
        return Linear(f"{base}.{layout.qkv}", hidden, query + 2 * key, bias, "qkv", conv1d=conv), out
    return (
        Linear(f"{base}.{layout.q}", hidden, query, bias, "q"),
        Linear(f"{base}.{layout.k}", hidden, key, bias, "k"),
        Linear(f"{base}.{layout.v}", hidden, key, bias, "v"),
        out,
    )


def mlp_linears(config: Config, layout: Layout, hidden: int, width: int, base: str | None = None) -> tuple[Linear, ...]:
    """List the projections of a dense feed-forward under their names in transformers."""
    base = layout.mlp if base is None else base
    prefix = f"{base}." if base else ""
    bias = switch(config, layout.mlp_bias)
    conv = layout.conv1d
    down = Linear(f"{prefix}{layout.down}", width, hidden, bias, "down", conv1d=conv)
    if layout.gate_up:
        return Linear(f"{prefix}{layout.gate_up}", hidden, 2 * width, bias, "gate_up"), down
    up = Linear(f"{prefix}{layout.up}", hidden, width, bias, "up", conv1d=conv)
    if layout.gate:
        return Linear(f"{prefix}{layout.gate}", hidden, width, bias, "gate"), up, down
    return up, down


def block_norms(config: Config, layout: Layout, hidden: int, attention: Attention) -> tuple[Norm, ...]:
    """List the norms of one layer: around attention, around feed-forward, then of queries and keys."""
    weight, bias = switch(config, layout.norm_weight), switch(config, layout.norm_bias)
    names = (layout.before_attention, layout.after_attention, layout.before_mlp, layout.after_mlp)
    norms = [Norm(name, hidden, layout.norm, bias, weight) for name in names if name]
    if attention.qk_norm:
        inner_bias = bias if layout.qk_norm_bias is None else switch(config, layout.qk_norm_bias)
        widths = {
            "head": (attention.head_dim, attention.head_dim),
            "heads": (attention.query_width, attention.key_width),
            "width": (attention.query_width, attention.key_width),
        }[attention.qk_norm]
        norms += [
            Norm(f"{layout.attention}.{name}", width, layout.norm, inner_bias, weight)
            for name, width in zip(layout.qk_norms, widths, strict=True)
        ]
    return tuple(norms)


def assemble(config: Config, layout: Layout, hidden: int, blocks: tuple[Block, ...]) -> Architecture:
    """Put embeddings, final norm and output layer around the blocks."""
    vocab = config.size("vocab")
    embeddings = [Embedding(f"{layout.root}.{layout.embed}", vocab, hidden)]
    positions = config.number("positions") or 0
    if layout.positions:
        rows = positions + layout.positions_extra
        embeddings.append(Embedding(f"{layout.root}.{layout.positions}", rows, hidden))
    weight, bias = switch(config, layout.norm_weight), switch(config, layout.norm_bias)
    norms = [Norm(f"{layout.root}.{layout.final_norm}", hidden, layout.norm, bias, weight)] if layout.final_norm else []
    if config.model_type == "bloom":
        norms.append(Norm("transformer.word_embeddings_layernorm", hidden, "layer", True))  # noqa: FBT003 - field order
    tied = config.flag("tie_word_embeddings")
    tensors = (Tensor(f"{layout.head}.bias", vocab),) if layout.head_bias else ()
    return Architecture(
        model_type=config.model_type,
        family="decoder",
        hidden=hidden,
        vocab=vocab,
        embeddings=tuple(embeddings),
        blocks=blocks,
        norms=tuple(norms),
        head=Linear(layout.head, hidden, vocab, role="head"),
        tied=tied,
        prefix=f"{layout.root}.{layout.layers}",
        tensors=tensors,
        max_positions=positions,
        soft_capped_logits=config.get("final_logit_softcapping") is not None,
    )
