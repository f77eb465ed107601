"""Time, energy and money of training on a device, as intervals: rates and prices of the device are intervals too."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.memory import Interval, training_effort

if TYPE_CHECKING:
    from adapt.estimates.devices import Target
    from planner.memory import Architecture, Effort, TrainingSetting

TERA, MILLION = 1e12, 1e6
HOUR_S = 3600
#: Sharding under which every device sees micro-batches of its own.
DATA_PARALLEL = frozenset({"ddp", "zero-1", "zero-2", "zero-3", "fsdp"})


class Rate(NamedTuple):
    """Tokens a second of all devices together, and US dollars for a million tokens; None without a price."""

    tokens_per_s: Interval
    usd_per_million_tokens: Interval | None
    assumptions: tuple[str, ...]


def rate_of(architecture: Architecture, setting: TrainingSetting, target: Target) -> Rate | None:
    """How fast a setting trains on a device, None when no source gives the device's rate.

    Work is linear in the device's rate, so one evaluation at 1 TFLOP/s serves the whole interval.
    """
    if target.flops is None:
        return None
    unit = _unit(architecture, setting)
    speed = Interval(*(rate * flops / TERA for rate, flops in zip(unit.tokens_per_s, target.flops, strict=True)))
    devices = setting.devices if setting.sharding != "single" else 1
    cost = None
    if target.usd_per_tflops_hour is not None:
        parts = zip(target.usd_per_tflops_hour, reversed(unit.tokens_per_s), strict=True)
        cost = Interval(*(usd * devices / HOUR_S * MILLION / tokens for usd, tokens in parts))
    return Rate(speed, cost, unit.assumptions)


@lru_cache(maxsize=8192)
def _unit(architecture: Architecture, setting: TrainingSetting) -> Effort:
    """One token at 1 TFLOP/s: the same for every device."""
    return training_effort(architecture, setting, tokens=1, device_flops=TERA)


def step_tokens(setting: TrainingSetting) -> int:
    """Tokens of one optimizer step over all devices."""
    copies = setting.devices if setting.sharding in DATA_PARALLEL else 1
    return setting.batch * setting.sequence * setting.accumulation * copies


def effort_of(
    architecture: Architecture,
    setting: TrainingSetting,
    target: Target,
    *,
    steps: int = 1000,
    examples: int | None = None,
    epochs: float = 1.0,
) -> dict[str, Any] | None:
    """Time, device hours, energy and cost of a run, as the JSON of `adapt memory`; None without the device's rate.

    Args:
        architecture: from `read_architecture`.
        setting: one micro-batch on each device.
        target: the device.
        steps: optimizer steps, when no examples are given.
        examples: sequences of training data; each is taken to fill the setting's sequence.
        epochs: how often each is seen.
    """
    rate = rate_of(architecture, setting, target)
    if rate is None:
        return None
    per_step = step_tokens(setting)
    tokens = per_step * steps if examples is None else max(1.0, examples * epochs) * setting.sequence
    seconds = Interval(*(tokens / speed for speed in reversed(rate.tokens_per_s)))
    devices = setting.devices if setting.sharding != "single" else 1
    energy = None
    if target.watts is not None:
        unit = training_effort(architecture, setting, tokens=tokens, device_flops=TERA, watts=target.watts)
        share = [joules / s for joules, s in zip(unit.joules, unit.seconds, strict=True)]
        energy = Interval(*(s * part / HOUR_S / 1000 for s, part in zip(seconds, share, strict=True)))
    cost = rate.usd_per_million_tokens
    return {
        "steps": round(tokens / per_step) if examples is not None else steps,
        "tokens": round(tokens),
        "tokens_per_s": interval(rate.tokens_per_s, 1),
        "seconds": interval(seconds, 1),
        "device_hours": interval(seconds.times(devices / HOUR_S), 3),
        "kilowatt_hours": interval(energy, 3),
        "cost_usd": interval(cost.times(tokens / MILLION) if cost else None, 2),
        "usd_per_million_tokens": interval(cost, 4),
        "usd_per_device_hour": interval(target.price, 4),
        "priced_on": target.priced_on,
        "devices": devices,
        "assumptions": [*rate.assumptions, *_assumed(setting, examples)],
    }


def _assumed(setting: TrainingSetting, examples: int | None) -> list[str]:
    return [f"every sequence has {setting.sequence:,} tokens"] if examples is not None else []


def interval(value: Interval | None, digits: int = 0) -> dict[str, float] | None:
    """An interval as JSON."""
    if value is None:
        return None
    low, expected, high = (round(number, digits) if digits else round(number) for number in value)
    return {"low": low, "expected": expected, "high": high}
