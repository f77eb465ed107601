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

# Beyond so many at one change, the rest follows from the first ones; `--json` has them all.
SHOWN = 4


def flips(found: Flips, *, by_name: bool = False) -> Page:
    """The whole answer of `adapt flips` as a page.

    Args:
        found: the flips.
        by_name: whether inputs or decisions were asked for by name; then everything is shown.
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
    """One point for each value of the input, with the answers that change there."""
    at: dict[str, list[Flip]] = {}
    for flip in found:
        at.setdefault(flip.change, []).append(flip)
    return [_change(change, flips, everything=everything) for change, flips in at.items()]


def _change(change: str, found: list[Flip], *, everything: bool) -> Item:
    order = by_importance(flip.question for flip in found)
    flips = sorted(found, key=lambda flip: order.index(flip.question))
    first = flips[0]
    words: Words = (Span(change, "strong"), ": ", *_answer(first), f", because {first.because}")
    rest = flips[1:] if everything else flips[1:SHOWN]
    inner = [Item((*_answer(flip), Span(f", because {flip.because}", "quiet"))) for flip in rest]
    hidden = len(flips) - 1 - len(rest)
    if hidden:
        inner.append(Item(Span(f"and {hidden} more that follow", "quiet")))
    return Item(words, tuple(inner))


def _answer(flip: Flip) -> tuple[str | Span, ...]:
    return (f"{flip.question} ", Span(amount(flip.answer), "answer"), f" instead of {amount(flip.instead_of)}")
