"""The search for the smallest change of a number that changes an answer: a geometric grid, then bisection."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from planner.explanation.levers import Scale

FIRST_RATIO, LAST_RATIO = 1.25, 4.0
_DIGITS = 6


class Found(NamedTuple):
    """A value at which an answer changes."""

    at: float
    to_the_end: bool
    """Whether the answer at that value stands at every value tried beyond it."""


def grid(now: float | None, scale: Scale, *, up: bool) -> Iterator[float]:
    """Values outward from where an input is, on its steps, ever further apart, up to the end of its scale."""
    start = now if now is not None else scale.low if up else scale.high
    if now is None:
        yield value_of(_steps(start, scale, up=up), scale)
    ratio = FIRST_RATIO
    at = float(start)
    end = scale.high if up else scale.low
    while (at < end) if up else (at > end):
        further = at * ratio if up else at / ratio
        steps = max(_steps(further, scale, up=True), _next(at, scale, up=True)) if up else min(
            _steps(further, scale, up=False), _next(at, scale, up=False)
        )  # fmt: skip
        at = min(value_of(steps, scale), end) if up else max(value_of(steps, scale), end)
        yield at
        ratio = min(LAST_RATIO, ratio * FIRST_RATIO)


def _steps(value: float, scale: Scale, *, up: bool) -> int:
    return ceil(round(value / scale.step, _DIGITS)) if up else floor(round(value / scale.step, _DIGITS))


def _next(value: float, scale: Scale, *, up: bool) -> int:
    """The first step beyond a value."""
    return _steps(value, scale, up=False) + 1 if up else _steps(value, scale, up=True) - 1


def value_of(steps: int, scale: Scale) -> float:
    """A number of steps as a value: whole where the step is whole."""
    return int(steps * scale.step) if isinstance(scale.step, int) else round(steps * scale.step, _DIGITS)


def first_change(
    points: list[float],
    start: float | None,
    scale: Scale,
    is_changed: Callable[[float], bool],
    same: Callable[[float, float], bool],
) -> Found | None:
    """The value nearest to the start at which something changed, exact to a step.

    Args:
        points: the grid, outward from the start.
        start: where the input is; None when it is not given.
        scale: of the input.
        is_changed: whether the answer at a value differs from the one at the start.
        same: whether two values give the same answer.
    """
    for index, far in enumerate(points):
        if not is_changed(far):
            continue
        near = points[index - 1] if index else start
        at = far if near is None else _bisect(near, far, scale, is_changed)
        return Found(at, all(same(at, point) for point in points[index:]))
    return None


def _bisect(near: float, far: float, scale: Scale, is_changed: Callable[[float], bool]) -> float:
    """The value nearest to `near` that is changed, given that `far` is and `near` is not."""
    up = far > near
    low, high = _steps(near, scale, up=not up), _steps(far, scale, up=up)
    while abs(high - low) > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_changed(value_of(middle, scale)) else (middle, high)
    return value_of(high, scale)
