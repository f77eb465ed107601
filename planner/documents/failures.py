"""The failure report: failing cases with evidence and cause."""

from __future__ import annotations

from typing import Literal

from planner.documents.base import Document, JsonValue, ReadAhead

Cause = Literal["information", "behaviour", "retrieval miss", "capability", "unknown"]
Symptom = Literal["malformed", "wrong form", "wrong content"]


class Evidence(Document):
    """One experiment on a case and what it showed."""

    test: str
    """What was done, such as `parse` or `lenient match`."""
    result: str
    """What came out, in one sentence."""


class FailingCase(Document):
    """A case that failed, why, and how that is known."""

    id: str
    symptom: Symptom
    cause: Cause
    evidence: tuple[Evidence, ...]
    expected: JsonValue = None
    prediction: str = ""


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
