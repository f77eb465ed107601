"""A decision with the record of its evaluation: why, why not, and what was not known."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.documents.base import JsonValue, ReadAhead

Verdict = Literal["holds", "fails", "unknown"]
Tier = Literal["veto", "pin", "user", "core", "default"]
# A plan holds hundreds of cells: what most of them lack is left out of its text.
_SPARSE = Field(exclude_if=lambda value: value in (None, "", (), 0))


class FactRecord(ReadAhead):
    """A fact as it was when the plan was made."""

    name: str
    value: JsonValue = None
    unit: str = ""
    cite: tuple[str, ...] = ()
    unknown: str | None = None
    """Why there is no value."""


class Cell(ReadAhead):
    """One comparison of one fact, and how it came out."""

    fact: str
    test: str
    """The comparison as written, thresholds replaced by their values."""
    value: JsonValue = None
    verdict: Verdict
    thresholds: Annotated[tuple[str, ...], _SPARSE] = ()
    """Names of the thresholds that the comparison's numbers come from."""


class RuleTrace(ReadAhead):
    """A rule that was looked at: rows are alternatives, the cells of a row must all hold."""

    rule: str
    name: str
    """Reads after "because"."""
    tier: Tier
    answer: JsonValue = None
    """What the rule answers, or for a veto what it forbids."""
    value: Annotated[JsonValue, Field(exclude_if=lambda value: value is None)] = None
    """What `$threshold` or `@fact` in the answer of a rule that holds stands for."""
    verdict: Verdict
    rows: tuple[tuple[Cell, ...], ...]
    cite: tuple[str, ...] = ()


class Rejected(ReadAhead):
    """An answer that was not given, why, and what it would have needed."""

    answer: JsonValue
    because: str
    rules: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Conditions that do not hold, each with the value found and the value needed; all of them together."""
    other_ways: Annotated[int, _SPARSE] = 0
    """How many other rows of conditions lead to the answer; the needs are those of the nearest."""


class AnswerReason(ReadAhead):
    """Why one of several answers was given."""

    answer: JsonValue
    rule: str
    because: str
    why: str = ""
    cite: tuple[str, ...] = ()


class Decision(ReadAhead):
    """A question with one answer, the reasons, and the rejected answers."""

    question: str
    asks: str = ""
    """The question in plain words."""
    takes: str = ""
    """The form of an answer: `one of` or `some of` the answer and the rejected ones, `flag`, `count`, `word`, ..."""
    answer: JsonValue
    tier: Tier
    rule: str | None = None
    """Id of the rule that answered; null for a pin or a default."""
    because: str
    """The reason in a clause that reads after "because"."""
    why: str = ""
    """The reasoning behind the rule, in plain language."""
    cite: tuple[str, ...] = ()
    reasons: Annotated[tuple[AnswerReason, ...], _SPARSE] = ()
    """One for each answer, when the decision takes several."""
    rejected: tuple[Rejected, ...] = ()
    missing: tuple[str, ...] = ()
    """Facts that are unknown, each with the rules that it would have opened."""
    trace: tuple[RuleTrace, ...] = ()
