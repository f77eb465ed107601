"""Our own specs and plans: what a plan of theirs decides, warns of, and whether it is as it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.documents import Data, DataSource, InputError, Plan, Spec, plan_digest, validate
from planner.documents.finding import Where
from planner.documents.review import Setting
from planner.review.configuration import Configuration

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planner.documents import Finding
    from planner.documents.review import Tool
    from planner.review.source import Source

#: Test rows that stand in the training data, and rows of one set that stand in another.
LEAKS = frozenset({"DATA030", "DATA031"})
REFUSED_PIN = "PIN001"
_SPEC_KEYS = ("task", "models", "data", "hardware", "evaluation", "attempts", "failures", "constraints", "overrides")
_PLAN_KEYS = ("format", "digest", "decisions", "steps")


def recognise(values: Mapping[str, Any]) -> tuple[Tool, tuple[str, ...]] | None:
    """Whether the file is a spec or a plan, and the keys that tell."""
    if str(values.get("format", "")).startswith("adapt.plan/"):
        return "adapt-plan", tuple(key for key in _PLAN_KEYS if key in values)
    if isinstance(values.get("task"), dict) and "models" in values:
        return "adapt-spec", tuple(key for key in _SPEC_KEYS if key in values)
    return None


def read(source: Source, tool: Tool, keys: tuple[str, ...]) -> Configuration:
    """The plan in the file, or the plan of the spec in it.

    Raises:
        InputError: the spec or plan cannot be used; with every problem at once.
    """
    raw = dict(source.values)
    leaks: tuple[Finding, ...] = ()
    edited = False
    if tool == "adapt-plan":
        plan = validate(Plan, raw, code="PLAN", file=source.file)
        edited = plan_digest(raw) != plan.digest
    else:
        plan, leaks = _planned(validate(Spec, raw, code="SPEC", file=source.file), source.folder)
    return Configuration(
        file=source.file,
        tool=tool,
        recognised_by=keys,
        folder=source.folder,
        settings=_settings(source, plan, tool),
        findings=tuple(_placed(item, source) for item in (*leaks, *plan.warnings)),
        plan=plan,
        edited=edited,
    )


def _planned(spec: Spec, folder: Path) -> tuple[Plan, tuple[Finding, ...]]:
    """The plan of a spec; leaks between its data and refused pins are told beside what else there is to tell."""
    # Planning reads the data and models that the spec names; it is loaded when a spec is reviewed.
    from planner.planning import plan as make

    try:
        return make(spec, folder=folder), ()
    except InputError as error:
        told = error.findings
    codes = {item.code for item in told}
    if codes <= LEAKS:
        return make(_without_rows(spec, folder), folder=folder), told
    if codes == {REFUSED_PIN}:
        pinned = {str(item.where.pointer).rpartition("/")[2] for item in told}
        rest = {question: answer for question, answer in spec.overrides.items() if question not in pinned}
        plan, more = _planned(spec.model_copy(update={"overrides": rest}), folder)
        return plan, (*told, *more)
    raise InputError(told)


def _without_rows(spec: Spec, folder: Path) -> Spec:
    """The spec with the sizes of its data in place of the rows."""
    from planner.survey.data_files import look_at_data

    surveys, _ = look_at_data(spec, folder)
    sizes = {role: DataSource(examples=item.rows, mean_tokens=item.mean_tokens) for role, item in surveys.items()}
    return spec.model_copy(update={"data": Data(**sizes)})


def _placed(finding: Finding, source: Source) -> Finding:
    """A finding at its line of the file."""
    pointer = finding.where.pointer
    line = source.line(pointer) if pointer else None
    return finding.model_copy(update={"where": Where(file=source.file, pointer=pointer, line=line)})


def _settings(source: Source, plan: Plan, tool: Tool) -> dict[str, Setting]:
    """The answers that have a place in the file, so that findings point there."""
    base = "/spec" if tool == "adapt-plan" else ""
    places = {
        "base_model": f"{base}/models",
        "datasets": f"{base}/data",
        "merge_sources": f"{base}/merge",
        "hardware": f"{base}/hardware",
        "tenants": f"{base}/task/tenants",
    }
    found: dict[str, Setting] = {}
    for name, pointer in places.items():
        if pointer in source.lines:
            where = Where(file=source.file, pointer=pointer, line=source.line(pointer))
            decision = plan.decision(name)
            found[name] = Setting(value=decision.answer if decision else None, name=pointer[1:], where=where)
    for question in plan.spec.overrides:
        pointer = f"{base}/overrides/{question}"
        where = Where(file=source.file, pointer=pointer, line=source.line(pointer))
        found[question] = Setting(value=plan.spec.overrides[question], name=question, where=where)
    return found
