"""Bytes of weights at rest: plain, quantized to 8 or 4 bits, and as the caching allocator rounds them."""

from __future__ import annotations

from bisect import bisect_left, insort
from functools import lru_cache
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.memory.architecture import Architecture, Linear
    from planner.memory.regime import Regime
    from planner.memory.setting import TrainingSetting

MIB = 2**20
LARGE, SEGMENT_STEP = 10 * MIB, 2 * MIB
FOUR_BITS = 4


def allocated(size: float) -> float:
    """Return the bytes that torch's caching allocator takes for one tensor [torch: CUDACachingAllocator].

    Sizes are rounded up to 512 bytes. From 10 MiB a segment of whole 2 MiB is taken, whose rest is only given to
    others when it exceeds 1 MiB; between 1 and 10 MiB tensors share 20 MiB segments.
    """
    size = -int(-size // 512) * 512
    if size <= MIB:
        return size
    if size >= LARGE:
        rest = -size % SEGMENT_STEP
        return size + (rest if rest <= MIB else 0)
    fit = 20 * MIB // size
    rest = 20 * MIB - fit * size
    return size + (rest / fit if rest <= MIB else 0)


def packed(groups: Iterable[tuple[float, int]]) -> float:
    """Return the bytes that the allocator takes for tensors that stay: pairs of bytes and how many such tensors.

    Tensors between 1 and 10 MiB are laid into 20 MiB segments one after another, each into the smallest rest that
    holds it; a rest of at most 1 MiB is lost to the tensor beside it [torch: CUDACachingAllocator].
    """
    total = 0.0
    middle: list[tuple[int, int]] = []
    for size, times in groups:
        rounded = ceil(size / 512) * 512
        if MIB < rounded < 10 * MIB:
            middle.append((rounded, times))
        else:
            total += times * allocated(rounded)
    rests: list[int] = []
    for turn in range(max((times for _, times in middle), default=0)):
        for size, times in middle:
            if turn >= times:
                continue
            place = bisect_left(rests, size)
            room = rests.pop(place) if place < len(rests) else 20 * MIB
            rest = room - size
            if rest > MIB:
                insort(rests, rest)
                total += size
            else:
                total += room
    return total


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
    """Whether bitsandbytes replaces this module: every plain linear one but the output layer.

    Experts held in one parameter and routers are no `nn.Linear` and stay as they are [transformers: bitsandbytes.py].
    """
    return linear.role not in {"head", "router"} and linear.copies == 1


def base_bytes(architecture: Architecture, setting: TrainingSetting, regime: Regime) -> float:
    """Return the bytes of the loaded base model, without adapters."""
    if architecture.declared_parameters is not None and not regime.quantized:
        return architecture.declared_parameters * regime.weight
    return _base(architecture, regime.weight, regime.norm, regime.quantized, setting.double_quantization)


@lru_cache(maxsize=2048)
def _base(architecture: Architecture, weight: int, norm: int, quantized: int, double: bool) -> float:  # noqa: FBT001
    total = 0.0
    plain: list[tuple[float, int]] = []
    for linear, count in architecture.matrices():
        if quantized and quantizable(linear):
            each = four_bit(linear.weights, double=double) if quantized == FOUR_BITS else eight_bit(linear)
            total += count * each
        elif not (linear.role == "head" and architecture.tied):
            plain.append((linear.weights * (norm if quantized else weight), count))
        if linear.bias:
            plain.append((linear.outputs * linear.copies * norm, count))
    for block in architecture.blocks:
        plain += [(module.parameters * norm, block.count) for module in block.small_modules]
    plain += [(module.parameters * norm, 1) for module in architecture.small_modules]
    return total + packed(plain)
