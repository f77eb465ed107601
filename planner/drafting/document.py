"""The document of a draft: the spec, and what of it was guessed."""

from __future__ import annotations

from typing import Any, Literal

from planner.documents import Document, Finding, JsonValue, ReadAhead
from planner.documents.task import OutputFormat, TaskKind


class Answers(Document):
    """What the user said; what is left out is guessed."""

    name: str | None = None
    description: str | None = None
    kind: TaskKind | None = None
    output_format: OutputFormat | None = None
    models: tuple[str, ...] = ()
    hardware: str | None = None
    metrics: tuple[str, ...] = ()
    target: dict[str, float] = {}


class Guess(ReadAhead):
    """A field of the spec that nobody stated."""

    pointer: str
    value: JsonValue
    because: str


class Draft(ReadAhead):
    """A spec that can be planned, and how sure each field of it is."""

    format: Literal["adapt.draft/1"] = "adapt.draft/1"
    spec: dict[str, Any]
    guesses: tuple[Guess, ...] = ()
    notes: tuple[str, ...] = ()
    """What the user should add, in sentences."""
    findings: tuple[Finding, ...] = ()
    """What is odd about the data."""
    written: tuple[str, ...] = ()
    """Files that were written."""
