"""Facts about effort: how fast the hardware is, and how long training takes on it."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from planner.facts.hardware import entry_of
from planner.facts.model import parameters_of
from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.survey import Survey

# Rate of one CPU core in matrix products of small models, in FLOP/s.
CORE_FLOPS = (3e10, 1.0e11, 2.5e11)
# Rates reached on an accelerator that no source gives a rate for: from an old card to a new one; Apple's lie below.
UNKNOWN_FLOPS = (1e12, 1e13, 1e14)
UNKNOWN_APPLE_FLOPS = (5e11, 2e12, 6e12)
# Share of a device's dense peak rate that training and generation reach [palm-2022; nemo-automodel-2025].
UTILISATION = (0.10, 0.30, 0.50)
# Operations a token and parameter: forward, backward through frozen weights, backward with their gradients.
FORWARD, BACKWARD_FROZEN, BACKWARD_FULL = 2, 2, 4
TRAINS_ALL = frozenset({"full", "galore"})
RAW_TEXT = frozenset({"continued-pretraining", "continued-pretraining+sft"})


class Rate(NamedTuple):
    """Floating-point operations a second that work on one device really reaches: low, expected, high."""

    low: float
    expected: float
    high: float
    assumption: str


def device_rate(survey: Survey) -> Rate:
    """The rate of one device, or of the processor."""
    device = survey.hardware.device
    return _rate(device.key, device.kind, device.name, survey.hardware.cores or 1)


@lru_cache(maxsize=256)
def _rate(key: str | None, kind: str, name: str, cores: int) -> Rate:
    entry = entry_of(key) if key and kind != "cpu" else None
    if entry is not None:
        peak = entry.tensor_tflops or entry.fp32_tflops
        if peak:
            low, expected, high = (peak * 1e12 * share for share in UTILISATION)
            return Rate(low, expected, high, f"10% to 50% of the {peak:g} TFLOP/s of {name}")
    if kind != "cpu":
        low, expected, high = UNKNOWN_APPLE_FLOPS if kind == "mps" else UNKNOWN_FLOPS
        return Rate(low, expected, high, f"the rate of {name} is not known: {low / 1e12:g} to {high / 1e12:g} TFLOP/s")
    low, expected, high = (cores * each for each in CORE_FLOPS)
    return Rate(low, expected, high, f"0.03 to 0.25 TFLOP/s for each of {cores} CPU cores")


def training_flops(parameters: float, tokens: float, method: str, *, recomputed: bool) -> float:
    """Operations of training on so many tokens."""
    if method == "linear-probe":
        return parameters * tokens * FORWARD
    backward = BACKWARD_FULL if method in TRAINS_ALL else BACKWARD_FROZEN
    return parameters * tokens * (FORWARD + backward + (FORWARD if recomputed else 0))


@fact(unit="tokens", cite=("book:finetuning-tactics",))
def raw_text_seen(survey: Survey, objective: str, thresholds: Mapping[str, float]) -> float:
    """Tokens of raw text that training looks at before or instead of pairs; 0 when it looks at none."""
    documents = survey.data.get("documents")
    if objective not in RAW_TEXT or documents is None or not documents.rows:
        return 0.0
    each = documents.mean_tokens or thresholds["assumed_row_tokens"]
    return documents.rows * each * thresholds["raw_text_epochs"]


@fact(unit="tokens", cite=("book:finetuning-tactics",))
def tokens_seen(
    training_rows_seen: float,
    row_tokens: float | Unknown,
    raw_text_seen: float,
    objective: str,
    thresholds: Mapping[str, float],
) -> float:
    """Tokens that training looks at over all epochs, instructions included; rows of unknown length are assumed."""
    if objective == "continued-pretraining":
        return raw_text_seen
    each = thresholds["assumed_row_tokens"] if isinstance(row_tokens, Unknown) else row_tokens
    return raw_text_seen + training_rows_seen * (each + thresholds["instruction_tokens"])


@fact(unit="hours", cite=("book:finetuning-tactics",))
def one_device_hours(survey: Survey, base_model: str, method: str, tokens_seen: float) -> float | Unknown:
    """Hours that training takes on one device of the hardware, as expected."""
    size = parameters_of(survey.models[base_model])
    if size is None:
        return Unknown(f"the size of {base_model} is not known")
    flops = training_flops(size, tokens_seen, method, recomputed=True)
    return flops / device_rate(survey).expected / 3600
