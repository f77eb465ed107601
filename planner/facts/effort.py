"""Facts about effort: how fast the hardware is, and how long training takes on it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from planner.facts.model import parameters_of
from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.survey import Survey

# Rate of one CPU core in matrix products of small models, in FLOP/s.
CORE_FLOPS = (3e10, 1.0e11, 2.5e11)
# Share of a device's dense peak rate that training and generation reach [palm-2022; nemo-automodel-2025].
UTILISATION = (0.10, 0.30, 0.50)
# Operations a token and parameter: forward, backward through frozen weights, backward with their gradients.
FORWARD, BACKWARD_FROZEN, BACKWARD_FULL = 2, 2, 4
TRAINS_ALL = frozenset({"full", "galore"})


class Rate(NamedTuple):
    """Floating-point operations a second that work on one device really reaches: low, expected, high."""

    low: float
    expected: float
    high: float
    assumption: str


def device_rate(survey: Survey) -> Rate:
    """The rate of one device, or of the processor."""
    device = survey.hardware.device
    return _rate(device.key if device.kind != "cpu" else None, device.name, survey.hardware.cores or 1)


@lru_cache(maxsize=256)
def _rate(key: str | None, name: str, cores: int) -> Rate:
    if key:
        from planner.catalog import find_device

        peak = find_device(key).tensor_tflops
        if peak:
            low, expected, high = (peak * 1e12 * share for share in UTILISATION)
            return Rate(low, expected, high, f"10% to 50% of the {peak:g} TFLOP/s of {name}")
    low, expected, high = (cores * each for each in CORE_FLOPS)
    return Rate(low, expected, high, f"0.03 to 0.25 TFLOP/s for each of {cores} CPU cores")


def training_flops(parameters: float, tokens: float, method: str, *, recomputed: bool) -> float:
    """Operations of training on so many tokens."""
    if method == "linear-probe":
        return parameters * tokens * FORWARD
    backward = BACKWARD_FULL if method in TRAINS_ALL else BACKWARD_FROZEN
    return parameters * tokens * (FORWARD + backward + (FORWARD if recomputed else 0))


@fact(unit="tokens", cite=("book:finetuning-tactics",))
def tokens_seen(training_rows_seen: float, row_tokens: float | Unknown, thresholds: Mapping[str, float]) -> float:
    """Tokens that training looks at over all epochs, instructions included; rows of unknown length are assumed."""
    each = thresholds["assumed_row_tokens"] if isinstance(row_tokens, Unknown) else row_tokens
    return training_rows_seen * (each + thresholds["instruction_tokens"])


@fact(unit="hours", cite=("book:finetuning-tactics",))
def one_device_hours(survey: Survey, base_model: str, method: str, tokens_seen: float) -> float | Unknown:
    """Hours that training takes on one device of the hardware, as expected."""
    size = parameters_of(survey.models[base_model])
    if size is None:
        return Unknown(f"the size of {base_model} is not known")
    flops = training_flops(size, tokens_seen, method, recomputed=True)
    return flops / device_rate(survey).expected / 3600
