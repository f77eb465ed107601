"""A figure with its uncertainty: low, expected, high."""

from __future__ import annotations

from typing import NamedTuple


class Interval(NamedTuple):
    """A quantity as low / expected / high, all in the same unit (the field that holds it names the unit)."""

    low: float
    expected: float
    high: float

    def plus(self, amount: float) -> Interval:
        """Return the interval moved up by a known amount."""
        return Interval(self.low + amount, self.expected + amount, self.high + amount)

    def times(self, factor: float) -> Interval:
        """Return the interval scaled by a known, positive factor."""
        return Interval(self.low * factor, self.expected * factor, self.high * factor)


def around(expected: float, below: float, above: float) -> Interval:
    """Return the interval that reaches the given shares below and above the expected value, as whole numbers."""
    return Interval(int(expected * (1 - below)), int(expected), int(expected * (1 + above)))
