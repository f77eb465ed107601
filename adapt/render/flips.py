"""What would change a plan's mind: by input, the nearest change first, the weightier decision first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.render.page import Item, Page, Span, Words
from planner.explanation.groups import by_importance
from planner.explanation.words import amount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.explanation import Flips
    from planner.explanation.documents import Flip


def flips(found: Flips, *, by_name: bool = False) -> Page:
    """The whole answer of `adapt flips` as a page.

    Args:
        found: the flips.
        by_name: whether inputs or decisions were asked for by name; then every answer has its reason.
    """
    page = Page()
    page.heading((f"{found.name}: ", Span("what would change the plan", "answer")), 1)
    page.line(Span(f"One input changed at a time, decided again by the engine ({found.evaluations:,} times).", "quiet"))
    for lever in _levers(found.flips):
        page.heading(lever)
        page.points(_changes([flip for flip in found.flips if flip.lever == lever], everything=by_name))
    if not found.flips:
        page.line("No change of one input changes these answers.")
    if found.limits:
        page.heading("No plan at all")
        page.points((Span(limit.lever, "warning"), f" {limit.change}: {limit.because}") for limit in found.limits)
    if found.steady:
        page.heading("No change within its range")
        page.line(Span(", ".join(found.steady), "quiet"))
    return page


def _levers(found: Iterable[Flip]) -> list[str]:
    """Those that move the weightiest decisions first."""
    flips = list(found)
    rank = {question: index for index, question in enumerate(by_importance({flip.question for flip in flips}))}
    best: dict[str, int] = {}
    for flip in flips:
        best[flip.lever] = min(best.get(flip.lever, len(rank)), rank[flip.question])
    return list(best) if len(best) < 2 else sorted(best, key=lambda lever: best[lever] > 0)  # noqa: PLR2004


def _changes(found: list[Flip], *, everything: bool) -> list[Item]:
    """One point for each value of the input, the nearest first; words that change the same answers stand together."""
    at: dict[tuple[str, str], list[Flip]] = {}
    for flip in sorted(found, key=_distance):
        at.setdefault((flip.direction, repr(flip.at)), []).append(flip)
    alike: dict[tuple[object, ...], list[list[Flip]]] = {}
    for (direction, value), flips in at.items():
        outcome = tuple((flip.question, repr(flip.answer)) for flip in flips)
        alike.setdefault(outcome if direction == "other" else (direction, value), []).append(flips)
    return [_change(same, everything=everything) for same in alike.values()]


def _distance(flip: Flip) -> tuple[bool, float]:
    """Upward changes first, each direction from the nearest on."""
    numbers = [value if isinstance(value, int | float) else 0 for value in (flip.at, flip.now)]
    return flip.direction == "down", abs(numbers[0] - numbers[1]) if flip.direction != "other" else 0


def _change(same: list[list[Flip]], *, everything: bool) -> Item:
    """A change with the weightiest answer and its reason; the others in one line, or each with its reason."""
    order = by_importance(flip.question for flip in same[0])
    first, *rest = sorted(same[0], key=lambda flip: order.index(flip.question))
    changes = ", ".join([*(amount(flips[0].at) for flips in same[:-1]), same[-1][0].change])
    words: Words = (Span(changes, "strong"), ": ", *_answer(first), f", because {first.because}")
    if everything:
        return Item(words, tuple(Item((*_answer(flip), Span(f", because {flip.because}", "quiet"))) for flip in rest))
    along = ", ".join(f"{flip.question} {amount(flip.answer)}" for flip in rest)
    return Item(words, (Item(Span(f"with it {along}", "quiet")),) if along else ())


def _answer(flip: Flip) -> tuple[str | Span, ...]:
    return (f"{flip.question} ", Span(amount(flip.answer), "answer"), f" instead of {amount(flip.instead_of)}")
