"""The inputs of a decision, and how one of them is changed: in the spec, and in what was surveyed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from planner.documents import Attempt, DataSource, Device, Hardware
from planner.survey import DataSurvey, Failures, look_at_hardware
from planner.survey.failures import CAUSES, survey_failures

if TYPE_CHECKING:
    from pathlib import Path

    from pydantic import BaseModel

    from planner.documents import JsonValue, Spec
    from planner.survey import Survey


@dataclass(frozen=True)
class Inputs:
    """A spec with what was found of the things that it names."""

    spec: Spec
    survey: Survey
    folder: Path
    """Where the rule books of the spec lie."""


def set_field(inputs: Inputs, path: str, value: JsonValue) -> Inputs:
    """A field of the task, the evaluation or the constraints, by its dotted path."""
    return replace(inputs, spec=_with(inputs.spec, path.split("."), value))


def _with(document: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    if isinstance(document, dict):
        return {**document, name: value}
    return document.model_copy(update={name: _with(getattr(document, name), rest, value) if rest else value})


def get_field(document: BaseModel, path: str) -> Any:
    """A field by its dotted path; None when something on the way is not given."""
    found: Any = document
    for name in path.split("."):
        found = found.get(name) if isinstance(found, dict) else getattr(found, name, None)
    return found


def set_data(inputs: Inputs, path: str, value: Any) -> Inputs:
    """A property of a data set: its rows, mean length or quality; the rows of a file are varied as it was surveyed."""
    role, name = path.split(".")[1:]
    given = getattr(inputs.spec.data, role)
    source = DataSource(path=given) if isinstance(given, str) else given or DataSource()
    before = inputs.survey.data.get(role) or DataSurvey(role=role, source="declared")
    changes: dict[str, Any] = {"rows" if name == "examples" else name: value}
    if name == "examples" and before.rows:
        changes["duplicates"] = before.duplicates * value // before.rows
    if source.path is None or name == "quality":
        source = source.model_copy(update={name: value})
    survey = replace(inputs.survey, data={**inputs.survey.data, role: replace(before, **changes)})
    return replace(inputs, spec=_with(inputs.spec, ["data", role], source), survey=survey)


def set_hardware(inputs: Inputs, path: str, value: Any) -> Inputs:
    """Memory or count of the first kind of device; a probed machine is varied as it was found."""
    name = path.split(".")[1]
    declared = _declared(inputs)
    if declared is None:
        found = inputs.survey.hardware
        changes = {"memory_bytes": round(value * 1e9)} if name == "memory_gb" else {name: value}
        devices = (found.device.model_copy(update=changes), *found.devices[1:])
        hardware = found.model_copy(update={"devices": devices})
        return replace(inputs, survey=replace(inputs.survey, hardware=hardware))
    first = declared.devices[0].model_copy(update={name: float(value) if name == "memory_gb" else value})
    changed = declared.model_copy(update={"devices": (first, *declared.devices[1:])})
    record = look_at_hardware(changed, inputs.folder).record
    spec = inputs.spec.model_copy(update={"hardware": changed})
    return replace(inputs, spec=spec, survey=replace(inputs.survey, hardware=record))


def get_hardware(inputs: Inputs, path: str) -> Any:
    """Memory in GB or count of the first kind of device; None on a machine without accelerator."""
    name = path.split(".")[1]
    device = inputs.survey.hardware.device
    if device.kind == "cpu":
        return None
    declared = _declared(inputs)
    if declared is not None:
        return getattr(declared.devices[0], name)
    return round(device.memory_bytes / 1e9, 1) if name == "memory_gb" else device.count


def _declared(inputs: Inputs) -> Hardware | None:
    """The hardware in full: as declared, or the catalog's entry of a name; None for a probed machine."""
    hardware = inputs.spec.hardware
    if isinstance(hardware, Hardware):
        return hardware
    found = inputs.survey.hardware
    if found.source != "catalog" or found.device.kind == "cpu":
        return None
    from planner.catalog import CatalogError, find_device

    try:
        memory = find_device(found.device.name).memory_gb
    except CatalogError:
        memory = found.device.memory_bytes / 1e9
    return Hardware(devices=(Device(name=found.device.name, memory_gb=memory, count=found.device.count),))


def set_failures(inputs: Inputs, path: str, value: Any) -> Inputs:
    """Failing cases of one cause or symptom, in the survey's spelling."""
    name = path.split(".", 1)[1]
    known = inputs.survey.failures
    if isinstance(inputs.spec.failures, str) and known is not None:
        if name in CAUSES:
            changed = replace(known, by_cause={**known.by_cause, name: value})
        else:
            changed = replace(known, by_symptom={**known.by_symptom, name: value})
        return replace(inputs, survey=replace(inputs.survey, failures=changed))
    counts = {**(known.counts if known else {}), name: value}
    failures, _ = survey_failures(counts, inputs.folder)
    spec = inputs.spec.model_copy(update={"failures": counts})
    return replace(inputs, spec=spec, survey=replace(inputs.survey, failures=failures))


def get_failures(inputs: Inputs, path: str) -> int | None:
    """Failing cases of one cause; None when no failures are told."""
    known: Failures | None = inputs.survey.failures
    return known.counts.get(path.split(".", 1)[1], 0) if known else None


def set_score(inputs: Inputs, path: str, value: Any) -> Inputs:
    """The best score that an attempt reached in a metric."""
    metric = path.split(".", 1)[1]
    scored = [attempt for attempt in inputs.spec.attempts if metric in attempt.metrics]
    best = max(scored, key=lambda attempt: attempt.metrics[metric])
    changed = best.model_copy(update={"metrics": {**best.metrics, metric: value}})
    attempts = tuple(changed if attempt is best else attempt for attempt in inputs.spec.attempts)
    return replace(inputs, spec=inputs.spec.model_copy(update={"attempts": attempts}))


def get_score(inputs: Inputs, path: str) -> float | None:
    """The best score in a metric; None when nobody measured it."""
    metric = path.split(".", 1)[1]
    scores = [attempt.metrics[metric] for attempt in inputs.spec.attempts if metric in attempt.metrics]
    return max(scores) if scores else None


def set_prompts_tried(inputs: Inputs, path: str, value: Any) -> Inputs:
    """The prompts that all attempts at prompting tried, by changing the last of them."""
    del path
    before = get_prompts_tried(inputs, "") or 0
    last = [attempt for attempt in inputs.spec.attempts if attempt.prompts_tried is not None][-1]
    changed = last.model_copy(update={"prompts_tried": max(0, (last.prompts_tried or 0) + value - before)})
    attempts = tuple(changed if attempt is last else attempt for attempt in inputs.spec.attempts)
    return replace(inputs, spec=inputs.spec.model_copy(update={"attempts": attempts}))


def get_prompts_tried(inputs: Inputs, path: str) -> int | None:
    """The prompts that all attempts tried; None when none says so."""
    del path
    counts = [attempt.prompts_tried for attempt in inputs.spec.attempts if attempt.prompts_tried is not None]
    return sum(counts) if counts else None


def add_attempt(inputs: Inputs, path: str, value: Any) -> Inputs:
    """One more attempt of an approach, measured as good as the best so far or as nothing."""
    del value
    approach: Any = path.split(".", 1)[1]
    scores = {metric: get_score(inputs, f"attempts.{metric}") or 0.0 for metric in inputs.spec.evaluation.target}
    attempt = Attempt(approach=approach, retrieval="bm25" if approach == "rag" else None, metrics=scores)
    return replace(inputs, spec=inputs.spec.model_copy(update={"attempts": (*inputs.spec.attempts, attempt)}))
