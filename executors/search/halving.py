"""Successive halving: all on a few rows, the better part on more, so that bad ones cost little [jamieson-2016-halving].

Pure: what a candidate scores on the first so many rows is asked of a function.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from planner.documents import Measurement

    Candidate = TypeVar("Candidate", bound=Hashable)
else:
    Candidate = TypeVar("Candidate")


class Score(NamedTuple):
    """What a candidate reached on some rows."""

    strict: Measurement
    lenient: Measurement
    tokens: float
    """Mean tokens of its prompt."""

    @property
    def rank(self) -> tuple[float, float, float]:
        """The higher the better: the score, the content where the form fails all alike, fewer tokens."""
        return self.strict.value, self.lenient.value, -self.tokens


class Unfit(NamedTuple):
    """Why a candidate cannot be scored."""

    because: str


class Standing(NamedTuple, Generic[Candidate]):
    """How a candidate came out."""

    candidate: Candidate
    score: Score | None
    """On the rows of its last round; None when it could not be scored."""
    rows: int
    round: int | None
    """The round that it left, from 1; None for the one that is chosen."""
    because: str


def schedule(candidates: int, rows: int, factor: int, least: int) -> list[tuple[int, int]]:
    """Candidates and rows of each round, the last one on all rows.

    Args:
        candidates: how many there are at the start.
        rows: rows of the last round.
        factor: one of so many goes on, on so many times as many rows.
        least: rows of the first round at least; fewer tell too little.
    """
    left = [max(1, candidates)]
    while left[-1] > factor:
        left.append(math.ceil(left[-1] / factor))
    last = len(left) - 1
    return [(count, min(rows, max(least, rows // factor ** (last - at)))) for at, count in enumerate(left)]


def halve(
    candidates: Sequence[Candidate],
    rows: int,
    factor: int,
    least: int,
    score: Callable[[Candidate, int], Score | Unfit],
) -> list[Standing[Candidate]]:
    """How every candidate came out, the chosen one first; all others in the order in which they stayed longest.

    A round ends the search when the best is clearly better than every other: above the upper end of their intervals
    with the lower end of its own. Equal candidates keep their order, so that the same scores give the same result.

    Args:
        candidates: different ones, at least one.
        rows: rows of the last round.
        factor: see `schedule`.
        least: see `schedule`.
        score: what a candidate reaches on the first so many rows, or why it cannot be scored.
    """
    left: list[Standing[Candidate]] = []
    alive = list(candidates)
    plan = schedule(len(candidates), rows, factor, least)
    for number, (_, count) in enumerate(plan, 1):
        found = [(candidate, score(candidate, count)) for candidate in alive]
        left += [Standing(one, None, 0, number, said.because) for one, said in found if isinstance(said, Unfit)]
        scored = [(one, said) for one, said in found if isinstance(said, Score)]
        ranked = sorted(scored, key=lambda pair: pair[1].rank, reverse=True)
        if not ranked:
            break
        clear, last = _clear(ranked), number == len(plan)
        keep = 1 if clear or last else min(plan[number][0], len(ranked))
        why = "clearly below the best" if clear else "others scored better"
        left += [Standing(one, said, count, number, why) for one, said in reversed(ranked[keep:])]
        alive = [one for one, _ in ranked[:keep]]
        if clear or last:
            left.append(Standing(*ranked[0], count, None, "chosen"))
            break
    return left[::-1]


def _clear(ranked: Sequence[tuple[Candidate, Score]]) -> bool:
    """Whether the first is better than all others beyond chance."""
    low = ranked[0][1].strict.low
    highs = [said.strict.high for _, said in ranked[1:]]
    return bool(highs) and low is not None and all(high is not None and high < low for high in highs)
