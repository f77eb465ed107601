"""The document of a difference: what was given otherwise, what is decided otherwise, what is done otherwise."""

from __future__ import annotations

from typing import Literal

from planner.documents import Finding, JsonValue, ReadAhead
from planner.documents.decision import Tier


class PlanName(ReadAhead):
    """One of the two plans."""

    name: str
    digest: str
    planner: str


class Change(ReadAhead):
    """One value that differs; null where there is none on that side."""

    part: Literal["spec", "hardware", "pin", "rule book", "rule", "threshold", "status", "budget", "planner", "step"]
    pointer: str
    """The place in its part: a JSON pointer, or the name of a pin, a rule or a figure."""
    old: JsonValue = None
    new: JsonValue = None
    unit: str = ""
    matters: bool = True
    """False for what changes from one day to the next without changing the work, such as free disk space."""


class Answer(ReadAhead):
    """What one of the plans answers, and why."""

    answer: JsonValue
    because: str
    tier: Tier
    rule: str | None = None


class FactChange(ReadAhead):
    """A fact with another value that a deciding rule looked at."""

    fact: str
    unit: str = ""
    old: JsonValue = None
    new: JsonValue = None
    test: str = ""
    """The comparison that came out otherwise; empty when the fact is the answer itself."""
    through: tuple[str, ...] = ()
    """Changed decisions that the fact builds on; empty when only what was given changed."""


class Cause(ReadAhead):
    """What a change goes back to."""

    kind: Literal["pin", "rule", "threshold", "decision", "fact", "given", "step", "data"]
    name: str
    text: str
    """One clause that reads after "because"."""


class DecisionChange(ReadAhead):
    """A question that is answered otherwise."""

    question: str
    old: Answer | None = None
    """Null when the older plan did not ask."""
    new: Answer | None = None
    facts: tuple[FactChange, ...] = ()
    causes: tuple[Cause, ...] = ()


class StepChange(ReadAhead):
    """A step that is new, gone, or done otherwise."""

    address: str
    title: str
    change: Literal["added", "removed", "changed"]
    changes: tuple[Change, ...] = ()
    causes: tuple[Cause, ...] = ()


class Difference(ReadAhead):
    """Everything in which two plans differ, what matters first."""

    format: Literal["adapt.difference/1"] = "adapt.difference/1"
    old: PlanName
    new: PlanName
    matters: bool
    """False when only words, estimates and the state of the machine differ."""
    summary: tuple[str, ...] = ()
    """The difference in a few clauses, the most important first."""
    status: tuple[Change, ...] = ()
    given: tuple[Change, ...] = ()
    """Spec, hardware, files, rule books: what the changes start from."""
    decisions: tuple[DecisionChange, ...] = ()
    """In the order in which they are made."""
    steps: tuple[StepChange, ...] = ()
    """In plan order; removed steps last."""
    budget: tuple[Change, ...] = ()
    warnings_new: tuple[Finding, ...] = ()
    warnings_gone: tuple[Finding, ...] = ()
    words: tuple[str, ...] = ()
    """Places where only prose or estimates differ."""
