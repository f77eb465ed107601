"""A decision with the record of its evaluation: why, why not, and what was not known."""

from __future__ import annotations

from typing import Literal

from planner.documents.base import JsonValue, ReadAhead

Verdict = Literal["holds", "fails", "unknown"]
Tier = Literal["veto", "pin", "user", "core", "default"]


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


class RuleTrace(ReadAhead):
    """A rule that was looked at: rows are alternatives, the cells of a row must all hold."""

    rule: str
    name: str
    """Reads after "because"."""
    tier: Tier
    answer: JsonValue = None
    """What the rule answers, or for a veto what it forbids."""
    verdict: Verdict
    rows: tuple[tuple[Cell, ...], ...]
    cite: tuple[str, ...] = ()


class Rejected(ReadAhead):
    """An answer that was not given, why, and what it would have needed."""

    answer: JsonValue
    because: str
    rules: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """Conditions that do not hold, each with the value found and the value needed."""


class Decision(ReadAhead):
    """A question with one answer, the reasons, and the rejected answers."""

    question: str
    answer: JsonValue
    tier: Tier
    rule: str | None = None
    """Id of the rule that answered; null for a pin or a default."""
    because: str
    """The reason in a clause that reads after "because"."""
    why: str = ""
    """The reasoning behind the rule, in plain language."""
    cite: tuple[str, ...] = ()
    rejected: tuple[Rejected, ...] = ()
    missing: tuple[str, ...] = ()
    """Facts that are unknown, each with the rules that it would have opened."""
    trace: tuple[RuleTrace, ...] = ()
