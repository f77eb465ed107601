"""Bytes of weights at rest: plain, quantized to 8 or 4 bits, and as the caching allocator rounds them."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture, Linear, Module
    from planner.memory.regime import Regime
    from planner.memory.setting import TrainingSetting

MIB = 2**20
FOUR_BITS = 4


def allocated(size: float) -> float:
    """Return the bytes that torch's caching allocator takes for one tensor [torch: CUDACachingAllocator].

    Sizes are rounded up to 512 bytes. From 10 MiB a segment of whole 2 MiB is taken, whose rest is only given to
    others when it exceeds 1 MiB; between 1 and 10 MiB tensors share 20 MiB segments.
    """
    size = ceil(size / 512) * 512
    if size <= MIB:
        return size
    if size >= 10 * MIB:
        rest = -size % (2 * MIB)
        return size + (rest if rest <= MIB else 0)
    fit = 20 * MIB // size
    rest = 20 * MIB - fit * size
    return size + (rest / fit if rest <= MIB else 0)


def four_bit(values: int, *, double: bool) -> float:
    """Bytes of a matrix in bitsandbytes' nf4: half a byte a value and a scale for each 64.

    With double quantization a scale is one byte and each 256 scales share one of four bytes [qlora-2023].
    """
    blocks = ceil(values / 64)
    if double:
        return allocated((values + 1) // 2) + allocated(blocks) + allocated(4 * ceil(blocks / 256)) + 2048
    return allocated((values + 1) // 2) + allocated(4 * blocks) + 512


def eight_bit(linear: Linear) -> float:
    """Bytes of a matrix in LLM.int8: a byte a value and a four-byte scale for each row [llm-int8-2022]."""
    return allocated(linear.weights) + allocated(4 * linear.outputs)


def quantizable(linear: Linear) -> bool:
    """Whether bitsandbytes replaces this module: every linear module but the output layer."""
    return linear.role != "head" and linear.copies == 1


def base_bytes(architecture: Architecture, setting: TrainingSetting, regime: Regime) -> float:
    """Return the bytes of the loaded base model, without adapters."""
    if architecture.declared_parameters is not None and not regime.quantized:
        return architecture.declared_parameters * regime.weight
    total = 0.0
    for linear, count in architecture.matrices():
        tied = linear.role == "head" and architecture.tied
        if regime.quantized and quantizable(linear):
            matrix = (
                four_bit(linear.weights, double=setting.double_quantization)
                if regime.quantized == FOUR_BITS
                else eight_bit(linear)
            )
        else:
            each = regime.norm if regime.quantized else regime.weight
            matrix = 0.0 if tied else allocated(linear.weights * each)
        bias = allocated(linear.outputs * linear.copies * regime.norm) if linear.bias else 0.0
        total += count * (matrix + bias)
    small = sum(block.count * _kept(block.small_modules, regime.norm) for block in architecture.blocks)
    return total + small + _kept(architecture.small_modules, regime.norm)


def _kept(modules: tuple[Module, ...], value: int) -> float:
    return sum(allocated(module.parameters * value) for module in modules)
