"""What metrics need, known before a run: names that somebody provides, and inputs without which they cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from executors.evaluate.metrics import Metric
from executors.json_answers import label_property
from executors.registry import metric_registry
from planner.documents import Finding, InputError, Where, near

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.documents import Step

BUILT_IN = frozenset(get_args(Metric))
_POINTER = "/params/metrics"


def unmet(step: Step) -> Iterator[Finding]:
    """Every metric of an evaluation that nobody provides, or that what is given cannot support."""
    listed, schema = step.params.get("metrics"), step.params.get("schema")
    asked = [str(name) for name in listed] if isinstance(listed, list) else []
    for name in asked:
        if name not in BUILT_IN:
            yield from _own(step, name)
    labelled = step.params.get("labels") or label_property(schema if isinstance(schema, dict) else None)
    if "label_accuracy" in asked and not labelled:
        message = "label_accuracy needs labels, or a schema with a top-level property restricted by `enum`."
        yield _finding("EVAL003", message, "Add them, or drop the metric.")
    if "agreement" in asked and "reference" not in step.inputs:
        message = "agreement needs an input `reference` to compare with."
        yield _finding("EVAL004", message, "Add it, or drop the metric.")
    if "execution_accuracy" in asked and "database" not in step.inputs:
        message = "execution_accuracy needs an input `database` to run queries against."
        yield _finding("EVAL005", message, "Name it as /evaluation/database, or drop the metric.")
    for name in ("perplexity", "preference_accuracy"):
        if name in asked and "model" not in step.inputs:
            message = f"{name} needs a model at hand: a server does not tell it."
            yield _finding("EVAL006", message, "Name a local model, or drop the metric.")


def _own(step: Step, name: str) -> Iterator[Finding]:
    """A metric of an installed package that is not there, or does not load."""
    registry = metric_registry()
    if name not in registry.targets:
        message = f"{step.address} measures `{name}`, and nothing here provides that metric."
        fix = near(name, {*BUILT_IN, *registry.targets}) or "Install the package that provides it, or drop the metric."
        yield _finding("RUN187", message, fix)
        return
    try:
        registry.load(name)
    except InputError as error:
        for finding in error.findings:
            yield finding.model_copy(update={"where": Where(pointer=_POINTER)})


def _finding(code: str, message: str, fix: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(pointer=_POINTER))
