"""What fits: the largest micro-batch or length, and the cheapest change that makes a setting fit."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.memory.errors import EstimateError
from planner.memory.fixed import fixed_bytes
from planner.memory.parameters import trainable_parameters
from planner.memory.regime import LOW_RANK, QUANTIZED
from planner.memory.training import TrainingEstimate, estimate_training

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.memory.architecture import Architecture
    from planner.memory.setting import TrainingSetting

    Estimator = Callable[[Architecture, TrainingSetting], TrainingEstimate]

#: No search goes beyond this many sequences or tokens.
LARGEST_BATCH, LARGEST_SEQUENCE = 4096, 2**22


@dataclass(frozen=True, slots=True)
class Change:
    """One step towards fitting: what to change, the setting after it, its estimate, and whether that fits."""

    name: str
    setting: TrainingSetting
    estimate: TrainingEstimate
    fits: bool


def largest_batch(
    architecture: Architecture,
    setting: TrainingSetting,
    device_bytes: float,
    *,
    estimate: Estimator = estimate_training,
) -> int:
    """Return the largest micro-batch, in sequences, whose high end fits; 0 when not even one sequence does.

    Peaks are piecewise linear in tokens, so a secant from two points lands on the answer or beside it.

    Args:
        architecture: from `read_architecture`.
        setting: its batch is ignored.
        device_bytes: memory of one device.
        estimate: what gives the peak; one that is calibrated by measurements, say.

    Raises:
        EstimateError: when the device has no memory.
    """
    return _largest(architecture, setting, device_bytes, ("batch", LARGEST_BATCH), estimate)


def largest_sequence(
    architecture: Architecture,
    setting: TrainingSetting,
    device_bytes: float,
    *,
    estimate: Estimator = estimate_training,
) -> int:
    """Return the longest sequence, in tokens, whose high end fits at the setting's batch; 0 when none does.

    It ends at the model's own positions when those are known.

    Raises:
        EstimateError: when the device has no memory.
    """
    limit = min(LARGEST_SEQUENCE, architecture.max_positions or LARGEST_SEQUENCE)
    return _largest(architecture, setting, device_bytes, ("sequence", limit), estimate)


def _largest(
    architecture: Architecture,
    setting: TrainingSetting,
    device_bytes: float,
    most: tuple[str, int],
    estimate: Estimator,
) -> int:
    check_device(device_bytes)
    field, limit = most

    fixed = fixed_bytes(architecture, setting)
    if fixed.weights + fixed.states > device_bytes:
        return 0
    known = _samples(architecture, setting.model_copy(update={field: 1}), field, estimate)

    def high(value: int) -> float:
        if value not in known:
            known[value] = estimate(architecture, setting.model_copy(update={field: value})).device_bytes.high
        return known[value]

    if high(1) > device_bytes:
        return 0
    high(2 if limit > 1 else 1)
    fits = max(value for value, size in known.items() if size <= device_bytes and value <= limit)
    too_much = min((value for value, size in known.items() if size > device_bytes), default=limit + 1)
    while too_much - fits > 1:
        # From a point above the answer the line leads back to it, else the last slope leads on.
        other = too_much if too_much in known else max((value for value in known if value < fits), default=fits)
        slope = max((high(other) - high(fits)) / (other - fits or 1), 1.0)
        guess = min(max(fits + int((device_bytes - high(fits)) / slope), fits + 1), too_much - 1)
        if high(guess) <= device_bytes:
            fits = guess
            if guess + 1 < too_much and high(guess + 1) > device_bytes:
                too_much = guess + 1
        else:
            too_much = guess
    return fits


@lru_cache(maxsize=8192)
def _samples(
    architecture: Architecture,  # noqa: ARG001 - part of the key
    setting: TrainingSetting,  # noqa: ARG001
    field: str,  # noqa: ARG001
    estimate: Estimator,  # noqa: ARG001
) -> dict[int, float]:
    """Peaks that were computed before, by batch or length: other devices ask about the same ones."""
    return {}


def check_device(device_bytes: float) -> None:
    """Refuse a device without memory.

    Raises:
        EstimateError: when the bytes are not a positive number.
    """
    if not device_bytes > 0:
        raise EstimateError(
            "the device has no memory.", field="device", value=device_bytes, allowed="a positive number of bytes"
        )


def ways_to_fit(architecture: Architecture, setting: TrainingSetting, device_bytes: float) -> list[Change]:
    """Apply one change after another until the setting fits, cheapest first, and return the path.

    The order is checkpointing, smaller micro-batch with accumulation, fewer trainable parameters, quantized base,
    8-bit or paged optimizer, shorter sequences, offload, more devices [book:memory-bottlenecks]. The effective batch
    stays. The last change fits if any does; an empty list means that the setting fits as it is.

    Raises:
        EstimateError: when the device has no memory.
    """
    check_device(device_bytes)
    needed = estimate_training(architecture, setting).device_bytes.high
    if needed <= device_bytes:
        return []
    path: list[Change] = []
    current = setting
    for name, update in _changes(architecture, setting):
        before, current = current, current.model_copy(update=update)
        if name == "smaller micro-batch":
            current = _smaller_batch(architecture, current, device_bytes)
        if name == "shorter sequences":
            length = largest_sequence(architecture, current, device_bytes)
            if not length:
                continue
            current = current.model_copy(update={"sequence": min(current.sequence, length)})
        estimate = estimate_training(architecture, current)
        if estimate.device_bytes.high >= needed:
            current = before
            continue
        needed = estimate.device_bytes.high
        path.append(Change(name, current, estimate, estimate.fits(device_bytes)))
        if path[-1].fits:
            break
    return path


def cheapest_fit(architecture: Architecture, setting: TrainingSetting, device_bytes: float) -> Change | None:
    """Return the first change of `ways_to_fit` after which the setting fits, None when nothing does or none is needed.

    Raises:
        EstimateError: when the device has no memory.
    """
    path = ways_to_fit(architecture, setting, device_bytes)
    return path[-1] if path and path[-1].fits else None


def _changes(architecture: Architecture, setting: TrainingSetting) -> Iterator[tuple[str, dict[str, object]]]:
    if not setting.checkpointing:
        yield "gradient checkpointing", {"checkpointing": True}
    if setting.batch > 1:
        yield "smaller micro-batch", {}
    if setting.method not in LOW_RANK and trainable_parameters(architecture, setting) * 10 > architecture.parameters:
        yield "LoRA instead of training every weight", {"method": "lora", "base_dtype": None}
    if setting.method not in QUANTIZED:
        yield "8-bit base", {"method": "lora-8bit", "base_dtype": None}
    if setting.method != "qlora":
        yield "4-bit base (QLoRA)", {"method": "qlora", "base_dtype": None}
    if not setting.optimizer.startswith("paged"):
        yield "paged 8-bit optimizer", {"optimizer": "paged-adamw-8bit"}
    if setting.sequence > 1:
        yield "shorter sequences", {}
    yield "offload to host memory", {"offload": "parameters", "sequence": setting.sequence}
    for devices in (2, 4, 8, 16, 32, 64):
        yield f"FSDP over {devices} devices", {"sharding": "fsdp", "devices": devices, "offload": "none"}


def _smaller_batch(architecture: Architecture, setting: TrainingSetting, device_bytes: float) -> TrainingSetting:
    """Return the setting with the largest micro-batch that divides the effective batch and fits, else one sequence."""
    effective = setting.batch * setting.accumulation
    most = max(1, min(setting.batch, largest_batch(architecture, setting, device_bytes)))
    batch = max(size for size in range(1, most + 1) if effective % size == 0)
    return setting.model_copy(update={"batch": batch, "accumulation": effective // batch})
