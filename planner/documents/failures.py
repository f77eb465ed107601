"""The failure report: failing cases with evidence and cause."""

from __future__ import annotations

from typing import Literal

from planner.documents.base import JsonValue, ReadAhead
from planner.documents.events import Measurement

Cause = Literal["information", "behaviour", "retrieval miss", "capability", "unknown"]
Symptom = Literal["malformed", "wrong form", "wrong content"]


class Evidence(ReadAhead):
    """One experiment on a case and what it showed."""

    test: str
    """What was done, such as `parse`, `lenient scoring` or `gold passage`."""
    result: str
    """What came out, in one sentence."""


class FailingCase(ReadAhead):
    """A case that failed, why, and how that is known."""

    id: str
    symptom: Symptom
    cause: Cause
    evidence: tuple[Evidence, ...]
    expected: JsonValue = None
    prediction: str = ""
    decided_by: str = ""
    """What told the cause: an experiment, or the text alone."""
    measured: bool = False
    """Whether an experiment told the cause; else it is presumed from the text and the kind of task."""


class Experiment(ReadAhead):
    """What one experiment did to the failing cases that it was made on."""

    name: str
    question: str
    """What it asks."""
    asked: int
    """Cases that it was made on: those that no cheaper experiment had explained."""
    repaired: Measurement
    """Share of them whose answer became right."""
    gained: float = 0.0
    """Mean gain of content over them, 0 to 1: how much a repair that is not whole moved."""


class Cure(ReadAhead):
    """The cheapest thing that repairs the cases of one cause."""

    cause: Cause
    decided_by: str
    cases: int
    cure: str
    cite: tuple[str, ...] = ()
    """Keys of the catalog of references."""


class FailureReport(ReadAhead):
    """Failing cases by cause and symptom, with the case ids as evidence."""

    format: Literal["adapt.failures/1"] = "adapt.failures/1"
    source: str
    """What was looked at: a step's address or a file."""
    cases_seen: int
    failed: int
    by_cause: dict[str, int]
    by_symptom: dict[str, int]
    cases: tuple[FailingCase, ...]
    diagnosed: int | None = None
    """Failing cases that were looked into, drawn by a seed; the counts speak of them. Null: all of them."""
    cause_shares: dict[str, Measurement] = {}
    """Share of each cause among the diagnosed cases."""
    symptom_shares: dict[str, Measurement] = {}
    experiments: tuple[Experiment, ...] = ()
    cures: tuple[Cure, ...] = ()
    """The cheapest cure of each cause, the one for most cases first."""
    notes: tuple[str, ...] = ()
    """What could not be tested, and why."""
