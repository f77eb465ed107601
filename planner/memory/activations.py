"""What the forward pass of one layer saves for the backward pass: a list of tensors, in bytes a token each.

Derived from the code of transformers 5.23 and peft 0.21 and from what each torch operator saves: a product saves its
input when its weight trains; a norm its fp32 input; a gate both factors; attention its queries, keys, values and
output. Kept as a list because the allocator rounds each tensor. Idea of the count: korthikanti-2022.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from planner.memory.attention_saved import attention_saved
from planner.memory.experts_saved import experts_saved
from planner.memory.regime import FP32, HALF, LOW_RANK
from planner.memory.targets import adapter_rank

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.memory.architecture import Block, FeedForward, Linear, Norm
    from planner.memory.regime import Regime
    from planner.memory.setting import TrainingSetting


@dataclass(slots=True)
class Saved:
    """Bytes a token of each tensor that one layer keeps, by half of the layer."""

    attention: list[float] = field(default_factory=list)
    feed_forward: list[float] = field(default_factory=list)
    first_norm: list[float] = field(default_factory=list)


def norm_saved(norm: Norm, stream: int, regime: Regime, *, shared_input: bool = False) -> list[float]:
    """Bytes a token of the tensors that a norm keeps besides its output.

    Args:
        norm: its kind and width.
        stream: bytes a value of its input.
        regime: dtypes of this setting.
        shared_input: another norm already keeps the same input (parallel blocks).
    """
    train = regime.trains_all and norm.weight
    copies = stream == HALF
    if norm.kind == "layer":
        value = FP32 if regime.autocast else stream
        kept = [] if shared_input and value == stream else [float(norm.width * value)]
        return [*kept, 8.0]
    inputs = [] if shared_input and not copies else [4.0 * norm.width]
    if norm.kind == "centred-fp32":
        inputs.append(4.0 * norm.width)
    width = FP32 if norm.kind.endswith("fp32") else stream
    return [*inputs, 4.0, *([float(width * norm.width)] if train else [])]


def norm_output(norm: Norm | None, stream: int, regime: Regime) -> int:
    """Bytes a value of what a norm returns."""
    return FP32 if norm is not None and norm.kind == "layer" and regime.autocast else stream


def inputs_saved(
    linears: Iterable[Linear], value: int, setting: TrainingSetting, regime: Regime, *, kept: bool = False
) -> list[float]:
    """Bytes a token kept of one tensor that these products share as input.

    Args:
        linears: the products that read it.
        value: bytes a value of the tensor.
        setting: for the adapters.
        regime: dtypes of this setting.
        kept: the tensor is alive anyway, as the output that another operator saved.
    """
    saved: list[float] = []
    shared = kept
    for linear in linears:
        if regime.trains_all:
            if regime.autocast and value == FP32:
                saved.append(2.0 * linear.inputs)
                continue
        elif setting.method in LOW_RANK and adapter_rank(linear, setting.targets, setting.rank):
            saved += _adapter_saved(linear, setting, regime)
            if not _reads_as_is(value, setting, regime):
                saved.append(float((HALF if regime.autocast else regime.adapter) * linear.inputs))
                continue
        elif setting.method != "router" or linear.role != "router":
            continue
        if not shared:
            saved.append(float(value * linear.inputs))
        shared = True
    return saved


def _reads_as_is(value: int, setting: TrainingSetting, regime: Regime) -> bool:
    """Whether an adapter reads its input without a copy of its own: the same dtype, and no dropout between.

    Under autocast peft widens every input to the adapter's fp32; adapt's trainer switches that off.
    """
    if regime.autocast and setting.trainer == "adapt":
        return not setting.dropout and value == HALF
    return not setting.dropout and value == regime.adapter and (value == HALF or not regime.autocast)


def _adapter_saved(linear: Linear, setting: TrainingSetting, regime: Regime) -> list[float]:
    """Bytes a token that a low-rank adapter keeps besides its input."""
    value = HALF if regime.autocast else regime.adapter
    saved = [float(setting.rank * value)]
    if setting.dropout:
        saved.append(float(linear.inputs))
    if setting.method == "dora":
        # The magnitude scales the base's and the adapter's outputs, so both stay [peft: tuners/lora/dora.py].
        saved += [float(regime.product * linear.outputs), float(value * linear.outputs)]
    return saved


def activation_saved(feed_forward: FeedForward, value: int, regime: Regime) -> tuple[list[float], int]:
    """Return what the activation function and the gate keep, and bytes a value of what they return.

    `value` is bytes a value of their input: bitsandbytes' layers answer in the dtype of what they are given.

    ``gelu_new`` is written out in Python and takes a power, which autocast does in fp32 [transformers: activations.py].
    """
    width = feed_forward.width
    one = float(value * width)
    if feed_forward.activation in {"gelu_new", "gelu_fast", "gelu_pytorch_new"}:
        kept = [4.0 * width] * 3 + [one] if regime.autocast else [one] * 4
        return kept, FP32 if regime.autocast else value
    if feed_forward.gated:
        fused = [2 * one] if feed_forward.fused else [one, one]
        return [*fused, one], value
    return [one], value


def block_saved(block: Block, setting: TrainingSetting, regime: Regime) -> Saved:
    """Return what one layer keeps of each token, tensor by tensor."""
    stream = regime.stream
    saved = Saved()
    around = [norm for norm in block.norms if norm.around]
    inner = [norm for norm in block.norms if not norm.around]
    first = around[0] if around and not block.post_norm else None
    value = norm_output(first, stream, regime)
    trains = regime.trains_all
    # Attention: norm, inputs of the projections, norms of queries and keys, kernel, input of the output projection.
    if first is not None:
        saved.first_norm = norm_saved(first, stream, regime)
    saved.attention += saved.first_norm
    saved.attention += inputs_saved(_by_role(block, "q", "k", "v", "qkv", "q_a", "kv_a"), value, setting, regime)
    times = (block.attention.heads, block.attention.kv_heads) if block.attention.qk_norm == "head" else (1, 1)
    for norm, heads in zip(inner, times, strict=False):
        saved.attention += [heads * part for part in norm_saved(norm, regime.product, regime)]
    for linear in _by_role(block, "q_b", "kv_b"):
        saved.attention += inputs_saved((linear,), regime.product, setting, regime)
    kernel, output_kept = attention_saved(block.attention, setting, regime)
    saved.attention += kernel
    saved.attention += inputs_saved(_by_role(block, "o"), regime.product, setting, regime, kept=output_kept)
    # Feed-forward: its norm, inputs of gate and up, the gate itself, input of down.
    rest = around if block.post_norm else around[1:]
    for norm in rest:
        into = norm_saved(norm, stream if not block.post_norm else regime.product, regime, shared_input=block.parallel)
        saved.feed_forward += into
    shared_norm = block.parallel and not rest
    ups = _by_role(block, "router", "gate", "up", "gate_up")
    saved.feed_forward += inputs_saved(ups, value, setting, regime, kept=shared_norm)
    if block.feed_forward.experts:
        saved.feed_forward += experts_saved(block, setting, regime)
    if block.feed_forward.width:
        wide = FP32 if regime.quantized and value == FP32 else regime.product
        kept, output = activation_saved(block.feed_forward, wide, regime)
        relu = block.feed_forward.activation == "relu" and trains
        saved.feed_forward += kept
        saved.feed_forward += inputs_saved(_by_role(block, "down"), output, setting, regime, kept=relu)
    saved.feed_forward += [float(block.hidden_width)] * (2 if block.dropout else 0)
    saved.feed_forward += _other_adapters(block, setting, regime)
    return saved


def _other_adapters(block: Block, setting: TrainingSetting, regime: Regime) -> list[float]:
    """Bytes a token that IA3's scales and Houlsby's bottlenecks keep: what they multiply, and their hidden values."""
    value = regime.product
    if setting.method == "ia3":
        widths = [m.inputs if m.role == "down" else m.outputs for m in _by_role(block, "k", "v", "q", "qkv", "down")]
        return [float((value + FP32) * width) for width in widths]
    if setting.method == "adapter":
        return [float(value * block.hidden_width), 2.0 * value * setting.bottleneck] * 2
    return []


def _by_role(block: Block, *roles: str) -> list[Linear]:
    return [linear for linear in block.linears if linear.role in roles]
