"""Bytes that the forward pass saves for the backward pass, a token of one layer.

Derived from the code of transformers 5.23 and peft 0.21 and from what each torch operator saves: a product saves its
input when its weight trains; a norm its fp32 input; a gate both factors; attention its queries, keys, values, output.
See korthikanti-2022 for the idea of the count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.memory.regime import FP32, LOW_RANK
from planner.memory.targets import is_target

if TYPE_CHECKING:
    from planner.memory.architecture import Attention, Block, FeedForward, Linear, Norm
    from planner.memory.regime import Regime
    from planner.memory.setting import TrainingSetting


class Saved(NamedTuple):
    """Bytes a token that one layer keeps: norms and inputs of products, attention, feed-forward."""

    attention: float
    feed_forward: float
    first_norm: float

    @property
    def total(self) -> float:
        """All of it."""
        return self.attention + self.feed_forward


def norm_saved(norm: Norm, stream: int, regime: Regime) -> float:
    """Bytes a token that a norm keeps besides its output."""
    train = regime.trains_all and norm.weight
    if norm.kind == "layer":
        copy = 4 if regime.autocast else stream
        return norm.width * copy + 8
    width = 4 if norm.kind == "rms-fp32" else stream
    return norm.width * 4 + 4 + (norm.width * width if train else 0)


def norm_output(norm: Norm | None, stream: int, regime: Regime) -> int:
    """Bytes a value of what a norm returns."""
    if norm is not None and norm.kind == "layer" and regime.autocast:
        return 4
    return stream


def inputs_saved(linears: tuple[Linear, ...], value: int, setting: TrainingSetting, regime: Regime) -> float:
    """Bytes a token kept of one tensor that these products share as input, `value` bytes a value."""
    if not linears:
        return 0.0
    width = linears[0].inputs
    shared = False
    total = 0.0
    low_rank = setting.method in LOW_RANK
    for linear in linears:
        if regime.trains_all:
            if regime.autocast and value == FP32:
                total += 2 * width
            else:
                shared = True
        elif low_rank and is_target(linear, setting.targets):
            kept = 2 if regime.autocast else regime.adapter
            if value == kept and (not regime.autocast or regime.adapter == kept) and not setting.dropout:
                shared = True
            else:
                total += kept * width
            total += setting.rank * kept + (width if setting.dropout else 0)
    return total + (value * width if shared else 0)


def attention_saved(attention: Attention, setting: TrainingSetting, regime: Regime) -> float:
    """Bytes a token that the attention kernel keeps, at the setting's sequence length."""
    value = regime.product
    q, k, out = attention.query_width, attention.key_width, attention.output_width
    length = setting.sequence
    heads = attention.heads
    groups = heads // attention.kv_heads
    keys = q if groups > 1 else k
    if setting.attention == "eager" or attention.softcap:
        squares = 4 + value if value < FP32 else 4
        squares += value if attention.softcap else 0
        return value * (q + 2 * keys + out) + squares * heads * length
    masked = setting.padding_mask or (0 < attention.window < length)
    if setting.attention == "sdpa" and masked:
        return value * (q + 2 * keys + out) + 4 * heads + 2 * length
    if value == FP32:
        return value * (q + 2 * keys + out) + 4 * heads * length
    return value * (q + 2 * k + out) + 4 * heads


def gate_saved(feed_forward: FeedForward, width: int, value: int) -> float:
    """Bytes a token kept by the activation function and the gate, besides the input of the last product."""
    factors = {"gelu_new": 4, "relu2": 1, "relu": 1}.get(feed_forward.activation, 1)
    if feed_forward.gated:
        return value * width * (factors + 2)
    return value * width * factors


def block_saved(block: Block, setting: TrainingSetting, regime: Regime) -> Saved:
    """Return what one layer keeps of each token, in bytes."""
    stream = regime.stream
    roles: dict[str, list[Linear]] = {}
    for linear in block.linears:
        roles.setdefault(linear.role, []).append(linear)

    def group(*names: str) -> tuple[Linear, ...]:
        return tuple(linear for name in names for linear in roles.get(name, ()))

    around = [norm for norm in block.norms if "." not in norm.path]
    inner = [norm for norm in block.norms if "." in norm.path]
    first = around[0] if around else None
    value = norm_output(first, stream, regime) if not block.post_norm else stream
    heads = {"head": (block.attention.heads, block.attention.kv_heads)}.get(block.attention.qk_norm, (1, 1))
    attention = inputs_saved(group("q", "k", "v", "qkv"), value, setting, regime)
    attention += sum(norm_saved(norm, regime.product, regime) * n for norm, n in zip(inner, heads, strict=False))
    attention += attention_saved(block.attention, setting, regime)
    o_inputs = group("o")
    shared_out = 0.0 if setting.attention == "eager" else regime.product * block.attention.output_width
    kept = inputs_saved(o_inputs, regime.product, setting, regime)
    attention += kept - shared_out if regime.trains_all and kept >= shared_out else kept
    norms = sum(norm_saved(norm, stream, regime) for norm in around)
    first_norm = norm_saved(first, stream, regime) if first else 0.0
    forward = inputs_saved(group("gate", "up", "gate_up"), value, setting, regime)
    forward += gate_saved(block.feed_forward, block.feed_forward.width, regime.product)
    forward += inputs_saved(group("down"), regime.product, setting, regime)
    half = norms / 2
    return Saved(attention + half, forward + half, first_norm)
