"""Tightens estimates by what runs on the same kind of device measured."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner.memory.interval import Interval

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.memory.setting import TrainingSetting
    from planner.memory.training import TrainingEstimate

#: Fewer comparable runs than this say nothing about the spread.
FEWEST = 3
#: The interval reaches this share of the measured spread beyond the measured ratios: the next run may be an outlier.
MARGIN = 0.5
#: No interval is narrower than this on either side, as a share of its middle: allocators round.
NARROWEST = 0.005


@dataclass(frozen=True, slots=True)
class Measured:
    """One finished step: what torch's allocator had at most, and what was expected before, both in bytes.

    device: the kind of device, by one spelling. reserved_bytes is None where it was not recorded. trainer: whose step.
    """

    device: str
    method: str
    checkpointing: bool
    allocated_bytes: int
    expected_bytes: int
    reserved_bytes: int | None = None
    trainer: str = "trl"

    @property
    def ratio(self) -> float:
        """Measured over expected."""
        return self.allocated_bytes / self.expected_bytes


@dataclass(frozen=True, slots=True)
class Calibration:
    """What was measured, from the local ledger; the planner never reads it, so plans do not depend on the machine."""

    rows: tuple[Measured, ...]

    @classmethod
    def of(cls, rows: Iterable[Measured]) -> Calibration:
        """Keep the rows that can be compared: positive figures of a device."""
        return cls(tuple(row for row in rows if row.allocated_bytes > 0 and row.expected_bytes > 0))

    def comparable(self, setting: TrainingSetting, device: str) -> tuple[Measured, ...]:
        """Rows of the same kind of device, trainer, method and checkpointing."""
        wanted = (device, setting.trainer, setting.method, setting.checkpointing)
        return tuple(row for row in self.rows if (row.device, row.trainer, row.method, row.checkpointing) == wanted)

    def knows(self, setting: TrainingSetting, device: str) -> bool:
        """Whether enough runs were measured to say anything."""
        return len(self.comparable(setting, device)) >= FEWEST

    def tightened(self, estimate: TrainingEstimate, setting: TrainingSetting, device: str) -> TrainingEstimate:
        """Return the estimate moved to the median ratio and narrowed to the measured spread.

        Never narrower than what was measured, never wider than before unless a measurement lies outside, never below
        the weights. Without enough comparable runs the estimate comes back as it was.

        Args:
            estimate: from `estimate_training`.
            setting: what it was made for.
            device: the kind of device, spelt as in the rows.
        """
        rows = self.comparable(setting, device)
        if len(rows) < FEWEST:
            return estimate
        ratios = [row.ratio for row in rows]
        expected = estimate.allocated_bytes.expected
        weights = estimate.items["weights"]
        allocated = _narrowed(ratios, estimate.allocated_bytes, expected)
        held = [row.reserved_bytes / row.expected_bytes for row in rows if row.reserved_bytes is not None]
        enough = len(held) >= FEWEST
        reserved = _narrowed(held, estimate.reserved_bytes, expected) if enough else estimate.reserved_bytes
        low = max(reserved.low, allocated.low)
        middle = max(reserved.expected, allocated.expected)
        reserved = Interval(low, middle, max(reserved.high, allocated.high))
        allocated = Interval(*(int(max(value, weights)) for value in allocated))
        reserved = Interval(*(int(max(value, weights)) for value in reserved))
        context = [a - b for a, b in zip(estimate.device_bytes, estimate.reserved_bytes, strict=True)]
        device_bytes = Interval(*(int(a + b) for a, b in zip(reserved, context, strict=True)))
        said = f"calibrated: {len(rows)} measured runs of {setting.method} on this kind of device ({device})"
        return replace(
            estimate,
            allocated_bytes=allocated,
            reserved_bytes=reserved,
            device_bytes=device_bytes,
            items=_items(estimate.items, allocated, reserved),
            provenance="calibrated",
            assumptions=(*estimate.assumptions, said),
        )


def _narrowed(ratios: list[float], before: Interval, expected: float) -> Interval:
    """The interval of the measured ratios with a margin, inside the one before where the measurements allow it."""
    lowest, middle, highest = min(ratios), statistics.median(ratios), max(ratios)
    room = max(MARGIN * (highest - lowest), NARROWEST * middle)
    low = min(max((lowest - room) * expected, before.low), lowest * expected)
    high = max(min((highest + room) * expected, before.high), highest * expected)
    return Interval(low, middle * expected, high)


def _items(items: dict[str, int], allocated: Interval, reserved: Interval) -> dict[str, int]:
    """The parts again, with the measured difference among the activations and temporaries, so that they add up."""
    parts = dict(items)
    live = sum(size for name, size in items.items() if name not in {"fragmentation", "context"})
    parts["fragmentation"] = int(reserved.expected - allocated.expected)
    change = int(allocated.expected) - live
    for name in ("temporary", "activations", "logits", "gradients", "optimizer"):
        moved = max(change, -parts[name])
        parts[name] += moved
        change -= moved
    return parts
