"""Values and comparisons of facts as people read them: bytes as GB, shares of memory in GB, by how much one misses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import GB
from planner.rules.needing import comparison

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.documents import JsonValue

PERCENT = 100
DOUBLE = 2.0
_BIG = ((10**9, "billion"), (10**6, "million"))
_DURATIONS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def amount(value: JsonValue, unit: str = "") -> str:
    """A value with its unit: `24.0 GB`, `96%`, `8,000 rows`, `yes`, `qlora`."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(amount(item) for item in value) or "none"
    if not isinstance(value, int | float):
        return "no answer" if value is None else str(value)
    write = _UNITS.get(unit)
    noun = unit.removesuffix("s") if value == 1 else unit
    return write(value) if write else f"{number(value)} {noun}".rstrip()


def size(value: float) -> str:
    """A number of bytes in decimal units: `812 MB`, `14.2 GB`."""
    return f"{value / GB:,.1f} GB" if abs(value) >= GB else f"{value / 1e6:,.0f} MB"


def _fraction(value: float) -> str:
    return f"{value * PERCENT:.3g}%" if abs(value) < DOUBLE else f"{number(value)} times"


def _duration(value: float) -> str:
    return next((f"{value / each:.1f} {name}" for each, name in _DURATIONS if value >= 2 * each), f"{value:g} s")


_UNITS: dict[str, Callable[[float], str]] = {
    "bytes": size,
    "fraction": _fraction,
    "s": _duration,
    "USD": lambda value: f"${value:,.2f}",
    "times": lambda value: f"{number(value)} times",
}


def number(value: float) -> str:
    """A number with four digits at most, or with its name: `8,000`, `0.1234`, `8.03 billion`, `2e-04`."""
    for each, name in _BIG:
        if abs(value) >= each:
            return f"{value / each:.3g} {name}"
    if isinstance(value, int) or (float(value).is_integer() and abs(value) >= 1):
        return f"{value:,.0f}"
    return f"{value:.4g}" if abs(value) < 10**4 else f"{value:,.0f}"


def share(value: float, whole: float, unit: str) -> str:
    """A share of a whole in both forms: `220.0 GB of 24.0 GB (9.2 times)`."""
    times = f"{value:.2g} times" if value >= DOUBLE else f"{value * PERCENT:.3g}%"
    return f"{amount(value * whole, unit)} of {amount(whole, unit)} ({times})"


def needed(test: str, unit: str, whole: float | None = None, whole_unit: str = "") -> str:
    """A comparison in words: `at most 24.0 GB`, `one of cpu, mps`, `5 prompts or more`."""
    parsed = comparison(test)
    if parsed is None:
        return _negated(test, unit)

    def say(operand: JsonValue) -> str:
        if whole is not None and isinstance(operand, int | float) and not isinstance(operand, bool):
            return amount(operand * whole, whole_unit)
        return amount(operand, unit)

    words = [say(operand) for operand in parsed.operands]
    if parsed.op == "!=" and parsed.operands[0] == 0 and not isinstance(parsed.operands[0], bool):
        return f"more than {words[0]}"
    return {
        "<": f"less than {words[0]}",
        "<=": f"at most {words[0]}",
        ">=": f"{words[0]} or more",
        ">": f"more than {words[0]}",
        "=": words[0],
        "!=": f"other than {words[0]}",
        "in": f"one of {', '.join(words)}",
        "..": f"{words[0]} to {words[-1]}",
    }[parsed.op]


def _negated(test: str, unit: str) -> str:
    """The opposite of a list or a range, which no cell writes."""
    for prefix, words in (("not ", "not "), ("outside ", "outside ")):
        if test.startswith(prefix) and comparison(test.removeprefix(prefix)):
            return words + needed(test.removeprefix(prefix), unit)
    return test


def missing_by(test: str, value: JsonValue) -> tuple[float, float | None] | None:
    """How far a number is from passing: the difference, and the value as a multiple of the limit (None at zero)."""
    parsed = comparison(test)
    if parsed is None or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    limits = [float(operand) for operand in parsed.operands if not isinstance(operand, bool | str)]
    if not limits or parsed.op == "!=":
        return None
    limit = min(limits, key=lambda each: abs(each - value))
    return value - limit, value / limit if limit else None


def short(difference: float, unit: str, whole: float | None = None, whole_unit: str = "") -> str:
    """By how much a number misses: `196.0 GB too much`, `4,400 rows short`; empty at the limit itself."""
    gap = amount(abs(difference) * whole, whole_unit) if whole is not None else amount(abs(difference), unit)
    if unit == "fraction" and whole is None:
        gap = f"{abs(difference) * PERCENT:.3g} points"
    return f"{gap} {'too much' if difference > 0 else 'short'}" if difference else ""
