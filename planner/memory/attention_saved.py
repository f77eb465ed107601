"""What the attention kernel keeps for the backward pass: flash, memory-efficient, or the eager scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.regime import FP32

if TYPE_CHECKING:
    from planner.memory.architecture import Attention
    from planner.memory.regime import Regime
    from planner.memory.setting import TrainingSetting


def kernel_of(attention: Attention, setting: TrainingSetting, regime: Regime) -> str:
    """Return which kernel runs: eager, masked (memory-efficient with a mask), math, efficient or flash.

    transformers skips the mask when there is no padding and no sliding window shorter than the sequence, and torch
    then takes the flash kernel for half precision and equal head sizes up to 256 [torch: sdp_utils.cpp].
    """
    if setting.attention == "eager" or attention.softcap or attention.sinks:
        return "eager"
    if setting.attention == "flash":
        return "flash"
    if setting.padding_mask or (setting.shared and setting.batch > 1) or 0 < attention.window < setting.sequence:
        return "masked"
    if regime.product == FP32:
        return "math" if attention.heads != attention.kv_heads else "efficient"
    if attention.head_dim != attention.value_dim:
        return "efficient"
    return "flash"


def attention_saved(attention: Attention, setting: TrainingSetting, regime: Regime) -> tuple[list[float], bool]:
    """Return bytes a token of each tensor kept, and whether the output projection's input is one of them.

    Flash keeps queries, keys, values, output and a log-sum-exp a head; the masked kernel repeats grouped keys and
    values and keeps a converted mask; eager keeps the scores in fp32 after softmax and in the product's dtype.
    """
    value, length, heads = regime.product, setting.sequence, attention.heads
    q, k, out = (float(value * w) for w in (attention.query_width, attention.key_width, attention.output_width))
    v = float(value * attention.kv_heads * attention.value_dim)
    if setting.shared and setting.batch > 1:
        return _prefixed(attention, setting, regime), kernel_of(attention, setting, regime) == "eager"
    repeated = attention.heads != attention.kv_heads
    kernel = kernel_of(attention, setting, regime)
    # Values that are a view of a fused projection keep all of it alive; without rotation all three are such views.
    fused = attention.fused_qkv and not (repeated and kernel in {"eager", "masked", "math"})
    if fused:
        source = q + k + v
        inputs = [source] if attention.positions != "rope" else [q, k, source]
    elif repeated and kernel in {"eager", "masked", "math"}:
        inputs = [q, q, out]
    else:
        inputs = [q, k, v]
    if kernel in {"eager", "math"}:
        if attention.fp32_scores and value != FP32:
            inputs = [2 * inputs[0], 2 * inputs[1], *inputs[2:]] if len(inputs) > 1 else [*inputs, 2 * q, 2 * k]
        scores = float(heads * length)
        narrow = attention.native_softmax and not regime.autocast
        squares = [value * scores] if narrow else [4.0 * scores]
        if attention.sinks or (value != FP32 and not narrow):
            squares.append(value * scores)
        squares += [value * scores] if attention.softcap else []
        if attention.dropout and kernel == "eager":
            squares += [scores, value * scores]
        return [*inputs, *squares, out], kernel == "eager"
    statistics = 4.0 * heads
    if kernel == "masked":
        return [*inputs, out, statistics, float(value * length)], True
    if attention.partial_rope and kernel == "flash":
        # Concatenation makes queries head-major, so the output is too and is copied for the projection.
        return [*inputs, out, statistics], False
    return [*inputs, out, statistics], True


def _prefixed(attention: Attention, setting: TrainingSetting, regime: Regime) -> list[float]:
    """Bytes a token of what attention keeps of rows behind a shared beginning [executors/prefixed.py].

    Queries and outputs are there once, keys and values are repeated for every row and head, with what rows share.
    """
    value, heads = regime.product, attention.heads
    rows = setting.batch * setting.sequence
    times = rows / (rows - (setting.batch - 1) * min(setting.shared, setting.sequence))
    q, out = float(value * attention.query_width), float(value * attention.output_width)
    kept = [q, times * q, times * out, out]
    if kernel_of(attention, setting, regime) == "eager":
        scores = float(heads * setting.sequence)
        return [*kept, FP32 * scores, value * scores] if value != FP32 else [*kept, FP32 * scores]
    return [*kept, FP32 * heads]
