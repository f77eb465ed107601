"""Rungs on a few rows first: the rest of the rows, or a search, only where those leave the rung in the running."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import SCREEN, Gate, Input
from planner.facts.attempts import half_width
from planner.ladder.prompting import evaluate
from planner.survey.metrics import lower_is_better

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.ladder.draft import Draft


def measure(
    draft: Draft, name: str, title: str, *, rung: str, inputs: dict[str, Input], because: tuple[str, ...]
) -> None:
    """Draw the measurement of a rung: of all rows, or of a few first and then of the rest."""
    if not draft.answer("screening"):
        evaluate(draft, name, title, rung=rung, inputs=inputs, because=because, gates=draft.gates())
        return
    first = screen(draft, name, title, rung=rung, inputs=inputs, because=because)

    def rest() -> None:
        known = {**inputs, "screened": Input(step=first, output="predictions")}
        gates = (*draft.gates(), *in_the_running(draft, first))
        evaluate(draft, name, title, rung=rung, inputs=known, because=(*because, "screening"), gates=gates)

    follow(draft, rest)


def screen(
    draft: Draft, name: str, title: str, *, rung: str, inputs: dict[str, Input], because: tuple[str, ...]
) -> str:
    """Draw the measurement of a rung on a few rows, and return its address."""
    address = evaluate(
        draft,
        name + SCREEN,
        f"{title}, on a few rows first",
        rung=f"{rung}, screened",
        inputs=inputs,
        because=(*because, "screening"),
        gates=draft.gates(),
        changed={"limit": int(draft.thresholds["screen_rows"])},
    )
    # No rung of its own: the target is met on all rows or not at all.
    draft.measured.remove(address)
    draft.screened.append(address)
    return address


def follow(draft: Draft, rest: Callable[[], None]) -> None:
    """Draw what comes after a screen: at once where a target ends the run, else when every rung was screened."""
    if draft.spec.evaluation.target:
        rest()
    else:
        draft.later.append(rest)


def in_the_running(draft: Draft, first: str, headroom: float = 0.0) -> tuple[Gate, ...]:
    """Whether a screen leaves open that its rung meets the target, or without one that it is the best.

    Args:
        draft: the plan so far.
        first: address of the screen.
        headroom: what may still be gained over the screen's score.
    """
    target = draft.spec.evaluation.target
    if target:
        return tuple(
            Gate(
                name=f"{first} may reach {metric}",
                when="before",
                metric=metric,
                steps=(first,),
                bound="low" if lower_is_better(metric) else "high",
                test=f"<= {goal:g}" if lower_is_better(metric) else f">= {_needed(draft, goal) - headroom:.3g}",
                because="not even the upper end of its interval meets the target beyond chance",
            )
            for metric, goal in sorted(target.items())
            if not (headroom and lower_is_better(metric))
        )
    metric, others = draft.yardstick(), [address for address in draft.seen() if address != first]
    if metric is None or not others:
        return ()
    gate = Gate(
        name=f"{first} may be the best",
        when="before",
        metric=metric,
        steps=tuple(others),
        against=first,
        bound="low",
        test=f"<= {headroom:g}",
        because="another rung beats it beyond chance",
    )
    return (gate,)


def _needed(draft: Draft, goal: float) -> float:
    """The score on all rows whose interval begins at a goal: what meets the goal beyond chance."""
    rows = draft.fact("evaluation_rows")
    if not rows or not 0 < goal < 1:
        return goal
    return min(1.0, goal + half_width(goal, rows, draft.thresholds["interval_z"]))
