"""The whole comparison of two plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.difference.decisions import decision_changes
from planner.difference.document import Change, Difference, PlanName
from planner.difference.given import given_changes
from planner.difference.steps import step_changes
from planner.difference.values import differing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.difference.document import DecisionChange, StepChange
    from planner.documents import Budget, Finding, Plan

# The decisions that a reader asks for first.
FIRST = ("approach", "base_model", "retrieval", "objective", "method", "merge", "quantization", "serving")
# A smaller change of an estimate is noise of a calibration.
NOTEWORTHY = 0.005


def difference(old: Plan, new: Plan) -> Difference:
    """What changed from one plan to another, and because of which decision, pin or rule.

    It reads the records of both plans and computes nothing anew, so it also compares plans of two versions.
    """
    given = given_changes(old, new)
    decisions = decision_changes(old, new)
    data = {change.pointer.rpartition("/")[0] for change in given if change.part == "pin" and _is_content(change)}
    answers = {item.question: item.new.answer if item.new else None for item in decisions}
    steps = step_changes(old, new, answers, data)
    status = tuple(_status(old, new))
    fresh, gone = _findings(new, old), _findings(old, new)
    matters = bool(decisions or steps or status or fresh or gone or any(change.matters for change in given))
    budget = tuple(_budget(old.budget, new.budget))
    return Difference(
        old=_name(old),
        new=_name(new),
        matters=matters,
        summary=tuple(_summary(decisions, steps, status, fresh)),
        status=status,
        given=given,
        decisions=decisions,
        steps=steps,
        budget=budget,
        warnings_new=fresh,
        warnings_gone=gone,
        words=tuple(_words(old, new)),
    )


def _name(plan: Plan) -> PlanName:
    return PlanName(name=plan.name, digest=plan.digest, planner=plan.planner)


def _is_content(change: Change) -> bool:
    return change.pointer.endswith(("/digest", "/revision"))


def _status(old: Plan, new: Plan) -> Iterator[Change]:
    if old.status.applyable != new.status.applyable:
        yield Change(part="status", pointer="applyable", old=old.status.applyable, new=new.status.applyable)
        for plan, side in ((old, "old"), (new, "new")):
            yield Change.model_validate({"part": "status", "pointer": "because", side: plan.status.because})
    for name in ("needs", "waits_for"):
        one, two = ([*getattr(plan.status, name)] for plan in (old, new))
        if one != two:
            yield Change(part="status", pointer=name, old=one, new=two)


def _findings(plan: Plan, other: Plan) -> tuple[Finding, ...]:
    """The warnings of a plan that the other one does not have: by code and place, whatever their words."""
    known = {(finding.code, str(finding.where)) for finding in other.warnings}
    return tuple(finding for finding in plan.warnings if (finding.code, str(finding.where)) not in known)


def _budget(old: Budget | None, new: Budget | None) -> Iterator[Change]:
    for name in ("time", "cost"):
        one, two = (getattr(budget, name) if budget else None for budget in (old, new))
        before, after = (figure.expected if figure else None for figure in (one, two))
        unit = next((figure.unit for figure in (two, one) if figure), "")
        if before is None or after is None:
            if before != after:
                yield Change(part="budget", pointer=name, old=before, new=after, unit=unit)
        elif abs(after - before) > NOTEWORTHY * max(abs(before), abs(after)):
            yield Change(part="budget", pointer=name, old=before, new=after, unit=unit)


def _summary(
    decisions: tuple[DecisionChange, ...],
    steps: tuple[StepChange, ...],
    status: tuple[Change, ...],
    fresh: tuple[Finding, ...],
) -> Iterator[str]:
    applyable = [change for change in status if change.pointer == "applyable"]
    if applyable:
        yield "it can be run now" if applyable[0].new else "it can no longer be run"
    main = {item.question: item for item in decisions}
    for question in FIRST:
        item = main.get(question)
        if item is not None and item.old is not None and item.new is not None:
            yield f"{question} is {_shown(item.new.answer)} instead of {_shown(item.old.answer)}"
    others = sum(question not in FIRST for question in main)
    if others:
        yield f"{others} {'other ' if others < len(main) else ''}{_plural('decision', others)} changed"
    for word in ("added", "removed", "changed"):
        count = sum(step.change == word for step in steps)
        if count:
            yield f"{count} {_plural('step', count)} {word}"
    if fresh:
        yield f"{len(fresh)} {_plural('warning', len(fresh))} new"


def _plural(word: str, count: int) -> str:
    return word if count == 1 else f"{word}s"


def _shown(value: Any) -> str:
    return "nothing" if value is None else str(value)


def _words(old: Plan, new: Plan) -> Iterator[str]:
    """Places where nothing but prose or an estimate differs."""
    before = {item.question: item for item in old.decisions}
    for item in new.decisions:
        twin = before.get(item.question)
        if twin is not None and twin.answer == item.answer and twin != item:
            yield f"decisions/{item.question}"
    steps = {step.address: step for step in old.steps}
    for step in new.steps:
        one = steps.get(step.address)
        if one is not None and any(True for _ in differing(_prose(one.to_json()), _prose(step.to_json()))):
            yield f"steps/{step.address}"
    for name in ("planner", "risks", "unknowns", "alternatives"):
        if getattr(old, name) != getattr(new, name):
            yield name


def _prose(step: dict[str, Any]) -> dict[str, Any]:
    return {name: step[name] for name in ("title", "reasons", "resources", "known_after")}
