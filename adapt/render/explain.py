"""Decisions explained: the answer, because, the numbers, the source; and a first page for a reviewer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.render.page import Item, Page, Span, Words
from adapt.render.storage import storage
from adapt.render.units import estimate
from planner.explanation.groups import GROUPS, REST, group_of, signed
from planner.explanation.words import amount

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from planner.documents import Plan
    from planner.explanation import Explanation
    from planner.explanation.documents import ExplainedDecision, Number, RejectedAnswer, Source, Unknown

TIERS = {
    "veto": "a veto",
    "pin": "your pin",
    "user": "your rule book",
    "core": "the core rules",
    "default": "the default",
}
UNOFFERED = "no rule answers it"


def in_full(explanation: Explanation) -> Page:
    """Each decision with everything that the record holds of it."""
    page = Page()
    for decision in explanation.decisions:
        _decision(page, decision)
    return page


def _decision(page: Page, decision: ExplainedDecision) -> None:
    page.heading((f"{decision.question}: ", Span(amount(decision.answer), "answer")))
    if decision.asks:
        page.line(Span(decision.asks, "quiet"))
    if len(decision.answers) > 1:
        page.points(
            Item((Span(amount(item.answer), "strong"), f", because {item.because} ", Span(f"({item.rule})", "quiet")),
                 tuple(Item(number) for number in map(compared, item.numbers)))
            for item in decision.answers
        )  # fmt: skip
    else:
        page.line((f"because {decision.because} ", Span(f"({_by(decision)})", "quiet")))
        why = decision.why or next((item.why for item in decision.answers), "")
        if why:
            page.line(why)
        numbers(page, decision.numbers or tuple(number for item in decision.answers for number in item.numbers))
    cited(page, decision.sources)
    _rejected(page, decision.rejected)
    unknown(page, decision.unknown)
    if decision.steps:
        page.heading("Steps that follow from it", 4)
        page.points((Span(step.address, "strong"), f": {step.title}") for step in decision.steps)


def _by(decision: ExplainedDecision) -> str:
    rules = [item.rule for item in decision.answers]
    return f"rule {decision.rule or rules[0]}" if decision.rule or rules else TIERS[decision.tier]


def compared(number: Number) -> Words:
    """A comparison on one line."""
    return (f"{number.fact} is {number.found}", Span(f"; the rule asks for {number.needed}", "quiet"))


def numbers(page: Page, found: Sequence[Number], title: str = "Looked at") -> None:
    """The facts that were compared, as a table."""
    if found:
        page.heading(title, 4)
        page.grid(("Fact", "Found", "The rule asks for", "Threshold", "What it is"), map(_row, found))


def _row(number: Number) -> tuple[Words, ...]:
    found = Span(f"{number.found}, {number.unknown}" if number.unknown else number.found, "strong")
    missed = f", {number.short}" if number.short else ""
    return (number.fact, (found, missed), number.needed, ", ".join(number.thresholds), Span(number.says, "quiet"))


def cited(page: Page, found: Iterable[Source]) -> None:
    """The sources, in full."""
    items = [(Span(source.text, "source"), Span(f" [{source.key}]", "quiet")) for source in found]
    if items:
        page.heading("Source" if len(items) == 1 else "Sources", 4)
        page.points(items)


def _rejected(page: Page, rejected: Sequence[RejectedAnswer]) -> None:
    """The other answers; those with one reason between them stand together."""
    alike: dict[tuple[str, tuple[str, ...]], list[RejectedAnswer]] = {}
    for item in rejected:
        alike.setdefault((item.because, () if item.because == UNOFFERED else item.needs), []).append(item)
    if not alike:
        return
    page.heading("Not chosen", 4)
    page.points(
        Item(_why_rejected(items, because), tuple(Item(need) for need in _needs(items, needs)))
        for (because, needs), items in alike.items()
    )


def _why_rejected(items: list[RejectedAnswer], because: str) -> Words:
    names = Span(", ".join(amount(item.answer) for item in items), "strong")
    if because == UNOFFERED:
        return (names, ", because no rule answers so; a pin in `overrides` can")
    rules = [rule for rule in items[0].rules if rule not in because]
    return (names, f", because {because}", Span(f" ({', '.join(rules)})" if rules else "", "quiet"))


def _needs(items: list[RejectedAnswer], needs: tuple[str, ...]) -> list[str]:
    ways = items[0].other_ways
    more = [f"or {ways} other {'way' if ways == 1 else 'ways'}: adapt why-not says which"] if ways and needs else []
    return [*needs, *more]


def unknown(page: Page, found: Sequence[Unknown]) -> None:
    """What was not known, and what it would have opened."""
    if found:
        page.heading("Not known", 4)
        page.points(
            (Span(item.fact, "warning"), f": {item.reason}; it would open {_opens(item)}{_moot(item)}")
            for item in found
        )


def _moot(item: Unknown) -> str:
    return "" if item.matters else ", which would not change the answer"


def _opens(item: Unknown) -> str:
    answers = ", ".join(amount(answer) for answer in item.answers if not str(answer).startswith(("@", "$")))
    return f"{', '.join(item.rules)}{f' ({answers})' if answers else ''}"


def first_page(plan: Plan, explanation: Explanation) -> Page:
    """The decisions that a reviewer signs, with their reasons and numbers; the settings in one paragraph."""
    page = Page()
    used = {reason.decision for step in plan.steps for reason in step.reasons}
    shown = [item for item in explanation.decisions if item.question in signed(plan) and not _is_idle(item)]
    approach = next((item for item in explanation.decisions if item.question == "approach"), None)
    page.heading((f"{plan.name}: ", Span(amount(approach.answer) if approach else "a plan", "answer")), 1)
    _summary(page, plan, approach)
    for name, questions in GROUPS.items():
        found = [item for question in questions for item in shown if item.question == question]
        if found:
            page.heading(name)
            page.grid(("Decision", "Answer", "Because", "Rule"), map(_line, found))
    _ruled_out(page, shown)
    _open_questions(page, shown)
    settings = [item for item in explanation.decisions if item.question in used and group_of(item.question) == REST]
    if settings:
        page.heading(REST)
        page.line("; ".join(f"{item.question} {amount(item.answer)}" for item in settings))
    if stored := storage(plan):
        page.heading("Storage")
        page.line(stored)
    if plan.warnings:
        page.heading("Warnings")
        page.points(
            (Span(finding.severity, "warning"), f": {finding.message} {finding.fix}") for finding in plan.warnings
        )
    _more(page, shown)
    return page


def _more(page: Page, shown: list[ExplainedDecision]) -> None:
    """The commands that go on from here, with a question of this plan."""
    ruled_out = [(item, other) for item in shown for other in item.rejected if _is_vetoed(other)]
    offered = [(item, other) for item in shown for other in item.rejected if other.because != UNOFFERED]
    page.heading("More")
    asked = [f"adapt why-not PLAN {item.question}={amount(other.answer)}" for item, other in [*ruled_out, *offered][:1]]
    page.points(
        [
            f"adapt explain PLAN {shown[-1].question}: one decision in full, with its sources; --all: every one",
            *(f"{command}: what another answer would need" for command in asked),
            "adapt flips PLAN: which changes of the inputs would change the plan",
        ]
    )


def _is_vetoed(item: RejectedAnswer) -> bool:
    return bool(item.rules) and not item.because.startswith(("rule ", "`"))


def _summary(page: Page, plan: Plan, approach: ExplainedDecision | None) -> None:
    if approach is not None:
        page.line(f"because {approach.because}")
    device = plan.hardware.device
    where = f"{device.count * plan.hardware.nodes} x {device.name} ({plan.hardware.source})"
    if plan.budget is not None:
        cost = f", {estimate(plan.budget.cost)}" if plan.budget.cost else ", no rental price known"
        page.line(("If every rung runs: ", Span(estimate(plan.budget.time) + cost, "strong"), f", on {where}"))
    if not plan.status.applyable:
        page.line(Span(f"It cannot be run: {plan.status.because}.", "warning"))
        page.points(f"needed: {need}" for need in plan.status.needs)


def _is_idle(item: ExplainedDecision) -> bool:
    """Whether nothing was asked for, and nothing is done."""
    return item.tier == "default" and item.answer in (None, False, "none") and item.question != "approach"


def _line(item: ExplainedDecision) -> tuple[Words, ...]:
    found = "; ".join(f"{number.fact} {number.found}" for number in item.numbers if _is_telling(number))
    because: Words = (item.because, Span(f" ({found})", "quiet")) if found else item.because
    return (item.question, Span(amount(item.answer), "answer"), because, Span(item.rule or item.tier, "quiet"))


def _is_telling(number: Number) -> bool:
    """Whether a number says more than the reason does: a size other than nothing."""
    return isinstance(number.value, int | float) and not isinstance(number.value, bool) and number.value != 0


def _ruled_out(page: Page, shown: list[ExplainedDecision]) -> None:
    """The answers that cannot work, with what they would need."""
    items: dict[tuple[str, str], list[RejectedAnswer]] = {}
    for decision in shown:
        for rejected in decision.rejected:
            if _is_vetoed(rejected):
                items.setdefault((decision.question, rejected.because), []).append(rejected)
    if items:
        page.heading("Ruled out")
        page.points(
            Item(
                (f"{question} ", *_as_tuple(_why_rejected(same, because))),
                tuple(Item(need) for need in same[0].needs[:1]),
            )
            for (question, because), same in items.items()
        )


def _as_tuple(words: Words) -> tuple[str | Span, ...]:
    return words if isinstance(words, tuple) else (words,)


def _open_questions(page: Page, shown: list[ExplainedDecision]) -> None:
    found: dict[str, tuple[Unknown, list[str]]] = {}
    for decision in shown:
        for item in (item for item in decision.unknown if item.matters):
            found.setdefault(item.fact, (item, []))[1].append(decision.question)
    if found:
        page.heading("Not known")
        page.points(
            (Span(name, "warning"), f": {item.reason}; it may change {', '.join(questions)}")
            for name, (item, questions) in sorted(found.items())
        )
