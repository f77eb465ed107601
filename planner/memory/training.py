"""Peak device memory of one training step, as the largest of its moments."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.memory.certainty import certainty_of
from planner.memory.fixed import fixed_bytes
from planner.memory.interval import Interval
from planner.memory.moments import Moment, moments_of
from planner.memory.regime import regime_of
from planner.memory.reserved import reserved_bytes

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.setting import TrainingSetting

#: Memory that the CUDA context and its libraries take, in bytes: 0.3 to 0.6 GB by device and driver.
CONTEXT_BYTES = Interval(300e6, 450e6, 600e6)


#: Interpreter, torch, transformers, peft and trl in a training on a processor, in bytes; at most with what loading and
#: reading the reference left in the heap.
PROCESS_BYTES = Interval(600e6, 750e6, 1600e6)


@dataclass(frozen=True, slots=True)
class TrainingEstimate:
    """Peak memory of one device in bytes, with its parts.

    allocated_bytes: live tensors as torch counts them (`max_memory_allocated`). reserved_bytes: what the allocator
    holds. device_bytes: reserved plus the CUDA context: what must fit. items: parts of the expected peak, which with
    fragmentation and context add up to the expected device_bytes. moments: every moment considered, largest first.
    """

    allocated_bytes: Interval
    reserved_bytes: Interval
    device_bytes: Interval
    items: dict[str, int]
    moments: tuple[Moment, ...]
    trainable: int
    provenance: str
    assumptions: tuple[str, ...]

    @property
    def peak(self) -> str:
        """The name of the moment at which memory peaks."""
        return self.moments[0].name

    def fits(self, device_bytes: float) -> bool:
        """Whether the high end of everything together fits in a device of that many bytes."""
        return self.device_bytes.high <= device_bytes


@lru_cache(maxsize=64)
def _headless(architecture: Architecture) -> Architecture:
    """The model without its output layer, in whose place a head over labels stands that is nothing beside it."""
    return replace(architecture, head=None, tied=False)


def estimate_training(architecture: Architecture, setting: TrainingSetting) -> TrainingEstimate:
    """Return the peak memory of one training step on each device.

    Args:
        architecture: from `read_architecture`.
        setting: what is trained and how; sizes in sequences and tokens.

    Raises:
        EstimateError: when a target names no module of the model.
    """
    if setting.objective == "classification-head":
        architecture = _headless(architecture)
    regime = regime_of(setting, layer_norm=architecture.layer_norm, embedding_norm=architecture.embedding_norm)
    fixed = fixed_bytes(architecture, setting)
    moments = moments_of(architecture, setting, regime, fixed)
    moments.sort(key=lambda moment: -moment.bytes)
    peak = moments[0]
    expected = peak.bytes
    certainty = certainty_of(architecture, setting)
    low, high = expected * (1 - certainty.below), expected * (1 + certainty.above)
    held = reserved_bytes(setting, fixed, peak)
    reserved = Interval(
        int(held.low if setting.processor else max(low, held.low * (1 - certainty.wide))),
        int(held.expected),
        int(max(high, held.high * (1 + certainty.wide))),
    )
    around = PROCESS_BYTES if setting.processor else CONTEXT_BYTES
    device = Interval(*(int(a + b) for a, b in zip(reserved, around, strict=True)))
    items = {
        "weights": int(peak.weights),
        "gradients": int(peak.gradients),
        "optimizer": int(peak.optimizer),
        "activations": int(peak.activations),
        "logits": int(peak.logits),
        "temporary": int(peak.temporary),
        "fragmentation": int(reserved.expected - expected),
        "context": int(around.expected),
    }
    return TrainingEstimate(
        allocated_bytes=Interval(int(low), int(expected), int(high)),
        reserved_bytes=reserved,
        device_bytes=device,
        items=items,
        moments=tuple(moments),
        trainable=fixed.trainable,
        provenance=certainty.provenance,
        assumptions=certainty.assumptions,
    )
