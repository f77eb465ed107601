"""The published JSON Schemas, made from the documents."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.documents.events import Event, StepResult
from planner.documents.failures import FailureReport
from planner.documents.finding import Finding
from planner.documents.hardware import Hardware
from planner.documents.plan import Plan
from planner.documents.review import Findings
from planner.documents.spec import Spec

if TYPE_CHECKING:
    from planner.documents.base import Document

PUBLISHED: dict[str, type[Document]] = {
    "event": Event,
    "failures": FailureReport,
    "finding": Finding,
    "findings": Findings,
    "hardware": Hardware,
    "plan": Plan,
    "result": StepResult,
    "spec": Spec,
}


def json_schema(name: str, kind: type[Document] | None = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a document.

    Args:
        name: what it is called.
        kind: the document; the one of this name that is published here when None.

    Raises:
        KeyError: no document of this name is published here.
    """
    schema = (kind or PUBLISHED[name]).model_json_schema(by_alias=True, mode="validation")
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": name, **schema}
