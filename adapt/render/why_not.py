"""Why not another answer: the reason first, then what would have to change, by how much, and the sources."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.render.explain import cited, numbers, unknown
from adapt.render.page import Item, Page, Span
from planner.explanation.words import amount

if TYPE_CHECKING:
    from planner.explanation import WhyNot
    from planner.explanation.documents import Obstacle


def why_not(found: WhyNot) -> Page:
    """The whole answer of `adapt why-not` as a page."""
    page = Page()
    given = Span(amount(found.answer), "answer")
    if found.is_answer:
        page.heading((f"{found.question}: ", given))
        page.line(found.says)
        for offer in found.offers:
            held = next((row for row in offer.rows if all(item.verdict == "holds" for item in row)), ())
            if offer.rule == found.rule or (found.rule is None and offer.verdict == "holds"):
                numbers(page, held)
        cited(page, found.sources)
        return page
    page.heading((f"{found.question}: why not ", Span(amount(found.asked), "strong"), "? It is ", given))
    page.line(found.says)
    for veto in found.vetoes:
        _obstacle(page, f"Forbidden by {veto.rule}: {veto.name}", veto)
    _offered(page, found)
    for other in found.before:
        _obstacle(page, f"First comes {other.rule}, with {amount(other.answer)}: {other.name}", other)
    if found.needs:
        page.heading("What would have to change", 4)
        page.points(found.needs)
    page.line(Span(found.pin, "quiet"))
    unknown(page, found.unknown)
    cited(page, found.sources)
    return page


def _obstacle(page: Page, title: str, obstacle: Obstacle) -> None:
    page.heading(title, 4)
    for index, group in enumerate(obstacle.groups):
        if len(group) > 1 or len(obstacle.groups) > 1:
            what = "one of these" if len(group) > 1 else "this"
            page.line(f"{'and ' if index else ''}{what} would have to change:".capitalize())
        page.grid(
            ("Fact", "Found", "Needed", "By how much", "What it is"),
            [
                (
                    item.fact,
                    Span(item.found, "strong"),
                    item.needed,
                    Span(item.short, "warning"),
                    Span(item.says, "quiet"),
                )
                for item in group
            ],
        )


def _offered(page: Page, found: WhyNot) -> None:
    """The nearest rule that offers the answer, cell by cell; the others by name."""
    for offer in found.offers[:1]:
        page.heading(f"Offered by {offer.rule}: {offer.name}", 4)
        if offer.rows:
            page.grid(
                ("", "Fact", "Found", "Needed", "By how much", "What it is"),
                [
                    (
                        Span({"holds": "ok", "fails": "fails", "unknown": "not known"}[item.verdict],
                             "plain" if item.verdict == "holds" else "warning"),
                        item.fact,
                        Span(item.found, "strong"),
                        item.needed,
                        Span(item.short, "warning"),
                        Span(item.says, "quiet"),
                    )
                    for item in offer.rows[0]
                ],
            )  # fmt: skip
        for other in offer.behind:
            _obstacle(page, f"First comes {other.rule}, with {amount(other.answer)}: {other.name}", other)
    rest = found.offers[1:]
    if rest:
        page.heading("Offered as well by", 4)
        page.points(Item((Span(offer.rule, "strong"), f": {offer.name} ({offer.verdict})")) for offer in rest)
