"""The user's pins: which are answers at all, and which a veto refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Finding, InputError, JsonValue, RuleTrace, Where, near
from planner.rules.answers import allowed, is_answer
from planner.rules.needing import lifts, shown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.rules.book import Question
    from planner.rules.table import Table


def unknown_pins(table: Table, pins: Mapping[str, JsonValue]) -> list[Finding]:
    """A finding for each pin that names no decision."""
    names = ", ".join(sorted(table.questions))
    return [
        _problem(name, f"There is no decision `{name}` to pin.", near(name, table.questions) or f"Allowed: {names}.")
        for name in pins
        if name not in table.questions
    ]


def pinned(
    name: str, question: Question, forbidden: Mapping[str, RuleTrace], pins: Mapping[str, JsonValue]
) -> JsonValue:
    """The answer that the user pins.

    Args:
        name: the decision.
        question: what it takes.
        forbidden: the veto that holds against each forbidden answer.
        pins: all pins; two that exclude each other are named together.

    Raises:
        InputError: the pin is no answer to the question, or a veto forbids it.
    """
    answer = pins[name]
    several = question.policy == "collect"
    words = answer if several and isinstance(answer, list) else [answer]
    for word in words:
        if not is_answer(question, word) or (several and not isinstance(answer, list)):
            raise InputError([_problem(name, f"`{shown(answer)}` is no answer to {name}.", allowed(question))])
        if isinstance(word, str) and word in forbidden:
            raise InputError([_refused(name, word, forbidden[word], pins)])
    return answer


def _refused(name: str, word: str, veto: RuleTrace, pins: Mapping[str, JsonValue]) -> Finding:
    """The finding of a pin against a veto; a veto that rests on another pin names both."""
    needed = "; ".join(lifts(veto)) or "another answer"
    rests_on = [cell.fact for cells in veto.rows for cell in cells if cell.verdict == "holds" and cell.fact in pins]
    if rests_on:
        others = " and ".join(f"{other} to `{shown(pins[other])}`" for other in dict.fromkeys(rests_on))
        message = f"The spec pins {name} to `{word}` and {others}, which exclude each other: rule {veto.rule} forbids"
        message += f" `{word}` because {veto.name}."
        return _problem(name, message, f"Take one of the pins out. Needed: {needed}.")
    message = f"The spec pins {name} to `{word}`, but rule {veto.rule} forbids it because {veto.name}."
    return _problem(name, message, f"Needed: {needed}.")


def _problem(name: str, message: str, fix: str) -> Finding:
    where = Where(pointer=f"/overrides/{name}")
    return Finding(code="PIN001", severity="error", message=message, fix=fix, where=where)
