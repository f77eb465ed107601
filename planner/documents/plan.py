"""The plan: what will be done, why, and how each step proves that the next is needed."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from planner.documents.base import JsonValue, ReadAhead, digest
from planner.documents.decision import Decision, FactRecord
from planner.documents.finding import Finding
from planner.documents.hardware import HardwareRecord
from planner.documents.spec import NAME, Spec
from planner.documents.step import Estimate, Step

OUTPUT_NAME = r"^[a-z][a-z0-9-]*$"
# Prose and estimates may be improved without making it another plan.
UNDIGESTED = frozenset({"digest", "estimates", "risks", "warnings", "unknowns", "facts", "alternatives", "surveyed"})
UNDIGESTED_IN_DECISION = frozenset(
    {"asks", "takes", "because", "why", "cite", "reasons", "rejected", "missing", "trace"}
)
UNDIGESTED_IN_STEP = frozenset({"title", "reasons", "resources", "known_after"})
UNDIGESTED_IN_GATE = frozenset({"because"})


class Status(ReadAhead):
    """Whether the plan can be run, and if not, why and what would be needed."""

    applyable: bool
    because: str
    needs: tuple[str, ...] = ()
    """What would make it applyable, when it is not."""
    waits_for: tuple[str, ...] = ()
    """Inputs that the spec only describes, to be given as files before the run."""


class Filled(ReadAhead):
    """A field of the spec that was empty and what it was filled with."""

    pointer: str
    value: JsonValue
    because: str


class RuleBook(ReadAhead):
    """A rule book that took part."""

    name: str
    version: str
    digest: str
    changes: tuple[str, ...] = ()
    """What a book of the user's own changes of the rules that ship, each with its reason."""
    references: dict[str, str] = {}
    """Its own sources, by the key that its rules cite."""


class Pin(ReadAhead):
    """A file or model that the plan reads, fixed by its content."""

    kind: Literal["model", "dataset", "documents", "schema", "file"]
    path: str
    """Relative to the plan's folder, or `package:NAME/FILE`, or `hub:ORGANISATION/NAME`."""
    digest: str | None = None
    """Digest of the content (`planner.documents.fingerprint`); null for what is only on a hub."""
    bytes: int | None = None
    id: str | None = None
    license: str | None = None
    revision: str | None = None


class Budget(ReadAhead):
    """What the whole plan may cost when every rung runs."""

    time: Estimate
    cost: Estimate | None = None
    """Null when no price is known for the hardware."""


class Stage(ReadAhead):
    """One part of an alternative path: what is done with which model, to learn what."""

    title: str
    model: str
    rows: int | None = None
    """Rows trained on or written; null when it is not known."""
    learns: str = ""
    """What the stage tells that the next one builds on."""
    time: Estimate | None = None
    cost: Estimate | None = None


class Alternative(ReadAhead):
    """Another way to the same end, which the plan did not take, and how to get its plan."""

    name: str
    because: str
    """When it is the better way, in a clause that reads after "because"."""
    set: dict[str, JsonValue] = {}
    """Changes of the spec that yield its plan, such as `{"overrides.path": "distillation"}`."""
    stages: tuple[Stage, ...] = ()
    cite: tuple[str, ...] = ()


class Plan(ReadAhead):
    """The document between deciding and doing."""

    format: Literal["adapt.plan/1"] = "adapt.plan/1"
    name: Annotated[str, Field(pattern=NAME)]
    digest: str
    planner: str
    """Version of adapt-planner that wrote the plan."""
    must_understand: tuple[str, ...] = ()
    """Names that a reader must know, or refuse the plan."""
    status: Status
    spec: Spec
    filled: tuple[Filled, ...] = ()
    hardware: HardwareRecord
    surveyed: dict[str, JsonValue] = {}
    """What was found of data, models and failures, so that decisions can be made again without the files."""
    rule_books: tuple[RuleBook, ...]
    pins: dict[str, Pin] = {}
    facts: tuple[FactRecord, ...] = ()
    decisions: tuple[Decision, ...]
    steps: tuple[Step, ...]
    outputs: dict[Annotated[str, Field(pattern=OUTPUT_NAME)], str] = {}
    """What the plan leaves: a name to `address:output`, the best first."""
    alternatives: tuple[Alternative, ...] = ()
    warnings: tuple[Finding, ...] = ()
    estimates: dict[str, Estimate] = {}
    budget: Budget | None = None
    risks: tuple[str, ...] = ()
    unknowns: tuple[str, ...] = ()

    def decision(self, question: str) -> Decision | None:
        """The decision on a question, or None when it was not asked."""
        return next((decision for decision in self.decisions if decision.question == question), None)

    def step(self, address: str) -> Step:
        """The step at an address.

        Raises:
            KeyError: there is none.
        """
        for step in self.steps:
            if step.address == address:
                return step
        raise KeyError(address)


def plan_digest(plan: dict[str, Any]) -> str:
    """The digest of a plan as plain JSON values, prose and estimates left out.

    It works on the raw document, so that names which a newer planner added are covered too.
    """
    kept = _without(plan, UNDIGESTED)
    kept["decisions"] = [_without(item, UNDIGESTED_IN_DECISION) for item in plan.get("decisions", [])]
    kept["steps"] = [
        _without(step, UNDIGESTED_IN_STEP)
        | {"gates": [_without(gate, UNDIGESTED_IN_GATE) for gate in step.get("gates", [])]}
        for step in plan.get("steps", [])
    ]
    return digest(kept)


def digested(document: Plan) -> dict[str, Any]:
    """The part of a plan that its digest covers, as plain JSON values; writing out the rest takes most of the time."""
    gates = {"__all__": set(UNDIGESTED_IN_GATE)}
    left_out: dict[str, Any] = dict.fromkeys(UNDIGESTED, True)
    left_out["decisions"] = {"__all__": set(UNDIGESTED_IN_DECISION)}
    left_out["steps"] = {"__all__": {**dict.fromkeys(UNDIGESTED_IN_STEP, True), "gates": gates}}
    return document.model_dump(mode="json", by_alias=True, exclude=left_out)


def _without(item: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name not in names}
