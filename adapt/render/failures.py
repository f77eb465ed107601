"""Why answers fail: causes with their intervals, what the experiments repaired, the cheapest cure, and cases."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.render.page import Item, Page, Span

if TYPE_CHECKING:
    from planner.documents import FailingCase, FailureReport, Measurement

TEXT_SHOWN = 160
MEANT = {
    "information": "the answer rests on facts that the model was not given",
    "retrieval miss": "the documents hold the answer, and the search did not find it",
    "behaviour": "what it needs is at hand; form or manner fails",
    "capability": "nothing that it is shown or told helps",
    "unknown": "neither text nor experiment tells",
}


def failures(report: FailureReport, shown: int) -> Page:
    """The report as a page.

    Args:
        report: what a diagnosis found.
        shown: failing cases to print.
    """
    page = Page()
    page.heading(f"{report.failed} of {report.cases_seen} cases fail", 1)
    page.line(Span(report.source, "quiet"))
    if not report.cases:
        return page
    _counts(page, report)
    _experiments(page, report)
    page.heading("Cheapest cure")
    page.points(
        (
            Span(f"{cure.cause} ({cure.cases})", "strong"),
            f": {cure.cure} ",
            Span(f"[{', '.join(cure.cite)}]", "source"),
        )
        for cure in report.cures
    )
    if shown:
        page.heading("Cases")
        page.points(_case(case) for case in report.cases[:shown])
        if len(report.cases) > shown:
            page.line(Span(f"{len(report.cases) - shown} more are in the report.", "quiet"))
    if report.notes:
        page.heading("What was not tested")
        page.points(report.notes)
    return page


def _counts(page: Page, report: FailureReport) -> None:
    measured = {cause: sum(case.measured for case in report.cases if case.cause == cause) for cause in report.by_cause}
    page.heading("Why")
    page.grid(
        ("cause", "cases", "share", "measured", "which means"),
        [
            (Span(name, "strong"), str(count), share(report.cause_shares.get(name)), str(measured[name]), MEANT[name])
            for name, count in sorted(report.by_cause.items(), key=lambda item: -item[1])
        ],
    )
    page.heading("How it shows")
    page.grid(
        ("symptom", "cases", "share"),
        [
            (name, str(count), share(report.symptom_shares.get(name)))
            for name, count in sorted(report.by_symptom.items(), key=lambda item: -item[1])
        ],
    )


def _experiments(page: Page, report: FailureReport) -> None:
    page.heading("Experiments")
    page.grid(
        ("experiment", "asked of", "repaired", "content", "question"),
        [
            (Span(each.name, "strong"), str(each.asked), share(each.repaired), f"{each.gained:+.2f}", each.question)
            for each in report.experiments
        ],
    )


def share(measured: Measurement | None) -> str:
    """A share with its interval, in percent."""
    if measured is None:
        return ""
    if measured.low is None or measured.high is None:
        return f"{measured.value:.0%}"
    return f"{measured.value:.0%} ({100 * measured.low:.0f} to {100 * measured.high:.0f})"


def _case(case: FailingCase) -> Item:
    how = "measured" if case.measured else "presumed"
    told = (
        Item((Span("expected: ", "quiet"), _short(str(case.expected)))),
        Item((Span("answered: ", "quiet"), _short(case.prediction))),
        *(Item((Span(f"{evidence.test}: ", "quiet"), _short(evidence.result))) for evidence in case.evidence),
    )
    return Item((Span(case.id, "strong"), f": {case.cause}, {how} by {case.decided_by}; {case.symptom}"), told)


def _short(text: str) -> str:
    """A text on one line, cut where it is long."""
    words = " ".join(text.split())
    return words if len(words) <= TEXT_SHOWN else f"{words[: TEXT_SHOWN - 3]}..."
