"""Numbers as people read them: seconds, bytes, money, scores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import GB

if TYPE_CHECKING:
    from planner.documents import Estimate, JsonValue, Measurement

MINUTE, HOUR, DAY = 60, 3600, 86400


def seconds(value: float) -> str:
    """A duration: `0.3 s`, `45 s`, `3.5 min`, `2.1 h`, `3.0 d`."""
    if value < 1:
        return f"{value:.1f} s"
    if value < 2 * MINUTE:
        return f"{value:.0f} s"
    if value < 2 * HOUR:
        return f"{value / MINUTE:.1f} min"
    return f"{value / HOUR:.1f} h" if value < 2 * DAY else f"{value / DAY:.1f} d"


def size(value: float) -> str:
    """A number of bytes in decimal units: `812 MB`, `14.2 GB`."""
    for unit, factor in (("GB", GB), ("MB", 10**6), ("kB", 10**3)):
        if value >= factor:
            number = value / factor
            return f"{number:.1f} {unit}" if unit == "GB" else f"{number:.0f} {unit}"
    return f"{value:.0f} B"


def dollars(value: float) -> str:
    """An amount of money in US dollars."""
    return f"${value:,.2f}"


def estimate(value: Estimate | None) -> str:
    """An interval: the expected value, then low and high; a dash when nothing is known."""
    if value is None:
        return "-"
    show = {"s": seconds, "bytes": size, "USD": dollars}.get(value.unit, fraction)
    if value.high == value.low:
        return show(value.expected)
    return f"{show(value.expected)} ({show(value.low)} to {show(value.high)})"


def score(value: Measurement) -> str:
    """A measured fraction with its interval: `.85 (.76 to .91)`."""
    if value.low is None or value.high is None:
        return fraction(value.value)
    return f"{fraction(value.value)} ({fraction(value.low)} to {fraction(value.high)})"


def fraction(value: float) -> str:
    """A fraction with two digits and no leading zero; larger numbers as they are."""
    if abs(value) >= 1:
        return f"{value:.2f}" if abs(value) < 100 else f"{value:,.0f}"  # noqa: PLR2004
    return f"{value:.2f}".replace("0.", ".", 1)


def plain(value: JsonValue) -> str:
    """A JSON value in words: `yes`, `3e-05`, `[a, b]`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "nothing"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list):
        return ", ".join(plain(item) for item in value)
    return str(value)
