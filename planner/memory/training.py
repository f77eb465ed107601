"""Peak device memory of one training step, as the largest of its moments, each a sum of what is alive then."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.memory.activations import block_saved
from planner.memory.interval import Interval
from planner.memory.optimizer import state_bytes, step_bytes
from planner.memory.parameters import trainable_parameters, trainable_tensors
from planner.memory.regime import ALL_WEIGHTS, FP32, regime_of
from planner.memory.weights import allocated, base_bytes

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.setting import TrainingSetting

#: Memory that the CUDA context and its libraries take, in bytes: 0.3 to 0.6 GB by device and driver.
CONTEXT_BYTES = Interval(300e6, 450e6, 600e6)
#: Share by which reserved exceeds allocated memory: simulated over 101 steps, see docs/memory.md.
FRAGMENTATION = Interval(0.005, 0.09, 0.27)


@dataclass(frozen=True, slots=True)
class Moment:
    """One point of a training step and the bytes alive at it."""

    name: str
    bytes: float


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
    peak: str
    trainable: int
    provenance: str
    assumptions: tuple[str, ...]

    def fits(self, device_bytes: float) -> bool:
        """Whether the high end of everything together fits in a device of that many bytes."""
        return self.device_bytes.high <= device_bytes


def estimate_training(architecture: Architecture, setting: TrainingSetting) -> TrainingEstimate:
    """Return the peak memory of one training step on each device.

    Args:
        architecture: from `read_architecture`.
        setting: what is trained and how; sizes in sequences and tokens.

    Raises:
        EstimateError: when a target names no module of the model.
    """
    regime = regime_of(setting)
    tokens = setting.batch * setting.sequence
    fixed = _fixed(architecture, setting.model_copy(update={"batch": 1, "sequence": 1, "accumulation": 1}))
    stream = regime.stream
    layers = architecture.layers
    saved = first = 0.0
    per_layer = feed_back = 0.0
    for block in architecture.blocks:
        cost = block_saved(block, setting, regime)
        saved += block.count * cost.total
        per_layer = max(per_layer, cost.total)
        first = cost.first_norm
        feed_back = max(feed_back, 3 * block.feed_forward.width * regime.product + 2 * architecture.hidden * stream)
    if not regime.trains_all and not setting.checkpointing and not setting.kbit_preparation:
        saved -= first
    kept = layers * architecture.hidden * stream if setting.checkpointing else saved
    final = architecture.hidden * (4 + (stream + 2 if regime.trains_all else 0))
    vocab = architecture.vocab
    logits = 12 * vocab if setting.loss == "full" else 0
    if setting.loss == "full" and (setting.outputs_kept or architecture.soft_capped_logits):
        logits += 2 * vocab
    static = fixed.weights + fixed.states
    accumulated = fixed.gradients if setting.accumulation > 1 else 0.0
    casts = fixed.casts if regime.autocast and regime.trains_all else 0.0
    layer_weights = fixed.gradients / max(1, layers)
    moments = [
        Moment(
            "backward of the loss",
            static + accumulated + tokens * (kept + final + logits) + (0 if setting.checkpointing else casts),
        ),
        Moment(
            "backward of the first layer",
            static
            + max(accumulated, fixed.gradients - layer_weights)
            + tokens * (per_layer + (stream * architecture.hidden if setting.checkpointing else 0) + feed_back),
        ),
        Moment("end of backward", static + fixed.gradients * (1 + (1 if setting.accumulation > 1 else 0) * 0)),
        Moment("optimizer step", static + fixed.gradients + step_bytes(setting.optimizer, fixed.gradients)),
    ]
    if casts:
        moments.append(Moment("end of forward", static + accumulated + casts + tokens * (kept + final + 10 * vocab)))
    peak = max(moments, key=lambda moment: moment.bytes)
    return _answer(
        architecture,
        fixed,
        tuple(sorted(moments, key=lambda m: -m.bytes)),
        peak,
        tokens * kept,
        tokens * logits,
    )


@dataclass(frozen=True, slots=True)
class _Fixed:
    weights: float
    gradients: float
    states: float
    casts: float
    trainable: int


@lru_cache(maxsize=2048)
def _fixed(architecture: Architecture, setting: TrainingSetting) -> _Fixed:
    """Bytes that depend on neither batch nor length."""
    regime = regime_of(setting)
    tensors = trainable_tensors(architecture, setting)
    value = regime.weight if setting.method in ALL_WEIGHTS else regime.adapter
    own = 0.0 if setting.method in ALL_WEIGHTS else sum(count * allocated(n * value) for n, count in tensors)
    gradients = sum(count * allocated(n * value) for n, count in tensors)
    casts = (
        sum(2.0 * linear.weights * count for linear, count in architecture.matrices()) if regime.weight == FP32 else 0.0
    )
    return _Fixed(
        weights=base_bytes(architecture, setting, regime) + own,
        gradients=gradients,
        states=state_bytes(setting.optimizer, tensors, value),
        casts=casts,
        trainable=trainable_parameters(architecture, setting),
    )


def _answer(  # noqa: PLR0913, PLR0917 - the parts of one answer
    architecture: Architecture,
    fixed: _Fixed,
    moments: tuple[Moment, ...],
    peak: Moment,
    activations: float,
    logits: float,
) -> TrainingEstimate:
    expected = peak.bytes
    spread = (0.03, 0.05) if architecture.known else (0.25, 0.6)
    allocated_bytes = Interval(int(expected * (1 - spread[0])), int(expected), int(expected * (1 + spread[1])))
    reserved = Interval(
        int(allocated_bytes.low * (1 + FRAGMENTATION.low)),
        int(expected * (1 + FRAGMENTATION.expected)),
        int(allocated_bytes.high * (1 + FRAGMENTATION.high)),
    )
    device = Interval(*(int(a + b) for a, b in zip(reserved, CONTEXT_BYTES, strict=True)))
    gradients = (
        fixed.gradients if peak.name in ("end of backward", "optimizer step", "backward of the first layer") else 0.0
    )
    in_peak = peak.name in ("backward of the loss", "end of forward")
    acts = activations if in_peak else 0.0
    logit = logits if in_peak else 0.0
    items = {
        "weights": int(fixed.weights),
        "gradients": int(gradients),
        "optimizer": int(fixed.states),
        "activations": int(acts),
        "logits": int(logit),
        "temporary": 0,
        "fragmentation": int(reserved.expected - expected),
        "context": int(CONTEXT_BYTES.expected),
    }
    items["temporary"] = int(device.expected) - sum(items.values())
    return TrainingEstimate(
        allocated_bytes=allocated_bytes,
        reserved_bytes=reserved,
        device_bytes=device,
        items=items,
        moments=moments,
        peak=peak.name,
        trainable=fixed.trainable,
        provenance="closed form" if architecture.known else "guess",
        assumptions=architecture.missing + architecture.notes,
    )
