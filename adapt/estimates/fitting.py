"""The answers of `adapt fit`: what can be trained on a device, and which devices train a model."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, get_args

from adapt.estimates.effort import interval, rate_of
from planner.memory import (
    EstimateError,
    estimate_training,
    largest_batch,
    largest_sequence,
    trainable_parameters,
)
from planner.memory.setting import Method

if TYPE_CHECKING:
    from collections.abc import Iterable

    from adapt.estimates.devices import Target
    from adapt.estimates.models import Sized
    from planner.memory import Architecture, TrainingEstimate, TrainingSetting
    from planner.memory.calibration import Calibration

FORMAT = "adapt.fit/1"
METHODS: tuple[str, ...] = get_args(Method)
#: What a reader looks for first; the others are asked for by name.
MAIN_METHODS = ("full", "lora", "qlora")
#: How many devices are tried, each with everything sharded over all of them.
COUNTS = (1, 2, 4, 8, 16, 32, 64)


def fit_rows(
    models: Iterable[Sized],
    methods: Iterable[str],
    target: Target,
    setting: TrainingSetting,
    *,
    calibration: Calibration | None = None,
) -> list[dict[str, Any]]:
    """Each model with each method on one device: the largest micro-batch, the longest sequence, speed and price.

    Methods that a model cannot have (BitFit without biases, targets that it lacks) are rows that say why.

    Args:
        models: from `every_model` or `model_of`.
        methods: words of `TrainingSetting.method`.
        target: the device.
        setting: everything but method, batch and, where the model has fewer positions, sequence.
        calibration: what runs on this kind of device measured, or None.
    """
    names = tuple(methods)
    rows = [_row(model, method, target, setting, calibration) for model in models for method in names]
    order = {method: place for place, method in enumerate(METHODS)}
    rows.sort(key=lambda row: (-row["parameters"], row["model"].lower(), order[row["method"]]))
    return rows


def device_rows(
    model: Sized,
    method: str,
    targets: Iterable[Target],
    setting: TrainingSetting,
    *,
    calibration: Calibration | None = None,
) -> list[dict[str, Any]]:
    """Which devices train a model, and how many of each: the fewest on which one sequence fits, cheapest first.

    Args:
        model: the model.
        method: how it is trained.
        targets: the devices to try.
        setting: everything else; several devices shard everything (FSDP).
        calibration: what runs on these kinds of device measured, or None.
    """
    rows = []
    for target in targets:
        row = _row(model, method, target, setting, calibration)
        for devices in () if target.alone else COUNTS[1:]:
            if row["fits"] or row["why_not"] is not None:
                break
            sharded = setting.model_copy(update={"sharding": "fsdp", "devices": devices})
            row = _row(model, method, target, sharded, calibration)
        rows.append(row)
    rows.sort(key=_by_price)
    return rows


def _by_price(row: dict[str, Any]) -> tuple[bool, float, float, int, str]:
    price, speed = row["usd_per_million_tokens"], row["tokens_per_s"]
    cost = price["expected"] if price else float("inf")
    return not row["fits"], cost, -(speed["expected"] if speed else 0), row["devices"], row["device"]


def _row(
    model: Sized, method: str, target: Target, setting: TrainingSetting, calibration: Calibration | None
) -> dict[str, Any]:
    architecture = model.architecture
    length = min(setting.sequence, architecture.max_positions or setting.sequence)
    chosen = setting.model_copy(update={"method": method, "sequence": length, "batch": 1})
    row: dict[str, Any] = {
        "model": model.id,
        "same_shape": [name for name in model.ids if name != model.id],
        "parameters": architecture.parameters,
        "trainable": None,
        "method": method,
        "device": target.key,
        "devices": chosen.devices,
        "memory_bytes": target.memory_bytes,
        "bf16": target.bf16,
        "sequence": length,
        "fits": False,
        "largest_batch": 0,
        "longest_sequence": 0,
        "device_bytes": None,
        "items": None,
        "tokens_per_s": None,
        "usd_per_million_tokens": None,
        "provenance": None,
        "why_not": None,
    }
    try:
        batch, longest = _largest(architecture, chosen, target.memory_bytes, calibration, target.kind)
        row["largest_batch"], row["longest_sequence"], row["fits"] = batch, longest, batch > 0
        if not batch:
            return row
        estimate, row["trainable"] = _single(architecture, chosen)
        if calibration is not None:
            estimate = calibration.tightened(estimate, chosen, target.kind)
    except EstimateError as error:
        row["why_not"] = error.message
        return row
    row["device_bytes"], row["provenance"] = interval(estimate.device_bytes), estimate.provenance
    row["items"] = dict(estimate.items)
    rate = rate_of(architecture, chosen, target)
    if rate is not None:
        row["tokens_per_s"] = interval(rate.tokens_per_s, 1)
        row["usd_per_million_tokens"] = interval(rate.usd_per_million_tokens, 4)
    return row


def _largest(
    architecture: Architecture,
    setting: TrainingSetting,
    device_bytes: int,
    calibration: Calibration | None,
    kind: str,
) -> tuple[int, int]:
    """The largest micro-batch at the setting's length, and the longest sequence at micro-batch 1."""
    if calibration is None or not calibration.knows(setting, kind):
        return _largest_plain(architecture, setting, device_bytes)

    def tightened(shape: Architecture, tried: TrainingSetting) -> Any:
        return calibration.tightened(estimate_training(shape, tried), tried, kind)

    batch = largest_batch(architecture, setting, device_bytes, estimate=tightened)
    return batch, largest_sequence(architecture, setting, device_bytes, estimate=tightened) if batch else 0


@lru_cache(maxsize=8192)
def _single(architecture: Architecture, setting: TrainingSetting) -> tuple[TrainingEstimate, int]:
    """What one sequence needs, and how many values train: the same for every device."""
    return estimate_training(architecture, setting), trainable_parameters(architecture, setting)


@lru_cache(maxsize=2**17)
def _largest_plain(architecture: Architecture, setting: TrainingSetting, device_bytes: int) -> tuple[int, int]:
    # Many devices hold the same number of bytes: a grid over all of them asks the same question again.
    batch = largest_batch(architecture, setting, device_bytes)
    return batch, largest_sequence(architecture, setting, device_bytes) if batch else 0
