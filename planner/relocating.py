"""Paths of a spec or a plan, told anew from another folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from planner.documents import DataSource, Plan, Spec, digested, plan_digest

ROLES = ("train", "validation", "test", "preferences", "documents")


def relocated(document: Plan, here: Path, there: Path) -> Plan:
    """The plan for another folder: what it and its spec read is told relative to where the plan will lie."""
    if here.resolve() == there.resolve():
        return document
    pins = {name: pin.model_copy(update={"path": moved(pin.path, here, there)}) for name, pin in document.pins.items()}
    update = {"pins": pins, "spec": relocated_spec(document.spec, here, there)}
    changed = document.model_copy(update=update)
    return changed.model_copy(update={"digest": plan_digest(digested(changed))})


def relocated_spec(spec: Spec, here: Path, there: Path) -> Spec:
    """The spec with every path that starts in one folder told from another; ids of models stay as they are."""
    if here.resolve() == there.resolve():
        return spec

    def at(path: Any) -> Any:
        return moved(path, here, there) if isinstance(path, str) else path

    data = {role: _source(getattr(spec.data, role), at) for role in ROLES}
    evaluation = {"data": at(spec.evaluation.data), "database": at(spec.evaluation.database)}
    output = spec.task.output.model_copy(update={"json_schema": at(spec.task.output.json_schema)})
    others = tuple(other.model_copy(update={"data": at(other.data)}) for other in spec.task.other_tasks)
    merge = spec.merge
    if merge is not None:
        sources = tuple(each.model_copy(update={"path": at(each.path)}) for each in merge.sources)
        merge = merge.model_copy(update={"sources": sources})
    return spec.model_copy(
        update={
            "task": spec.task.model_copy(update={"output": output, "other_tasks": others}),
            "data": spec.data.model_copy(update=data),
            "models": tuple(_model(model, here, there) for model in spec.models),
            "evaluation": spec.evaluation.model_copy(update=evaluation),
            "merge": merge,
            "failures": at(spec.failures),
            "rule_books": tuple(map(at, spec.rule_books)),
        }
    )


def moved(path: str, here: Path, there: Path) -> str:
    """A path that starts in one folder, told from another; what lies in a package, on a hub or at a root stays."""
    if path.startswith(("package:", "hub:")) or Path(path).is_absolute():
        return path
    return Path(os.path.relpath(here / path, there)).as_posix()


def _source(source: str | DataSource | None, at: Any) -> str | DataSource | None:
    if isinstance(source, DataSource):
        return source.model_copy(update={"path": at(source.path)})
    found: str | None = at(source)
    return found


def _model(model: Any, here: Path, there: Path) -> Any:
    """A model's path; of one that is named by its folder, the folder becomes its path and the name stays."""
    if model.path is not None:
        return model.model_copy(update={"path": moved(model.path, here, there)})
    is_file = "/" in model.id or model.id.startswith(".") or model.id.endswith(".gguf")
    named = model.id if is_file or (here / model.id / "config.json").is_file() else None
    if named is None or not (here / named).exists():
        return model
    return model.model_copy(update={"path": moved(named, here, there)})
