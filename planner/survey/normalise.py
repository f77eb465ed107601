"""Fills what a spec leaves open, and lists every value that was filled with the reason."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from planner.documents import Filled, Spec
from planner.survey.metrics import default_metrics
from planner.survey.spec_checks import source_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planner.survey.data_survey import DataSurvey

MAX_NAME = 80
METRICS = "/evaluation/metrics"
# Before free text is taken for labels: at most so many, each in so many rows.
MOST_LABELS, ROWS_PER_LABEL = 20, 10
# Of the rows, before the data's habit is taken for the task's.
MOST = 0.9


def normalise(spec: Spec, folder: Path) -> tuple[Spec, tuple[Filled, ...]]:
    """The spec with its open fields filled, and what was filled with what and why.

    Args:
        spec: a spec as people write it; it is not changed.
        folder: the folder of its file, which names a spec without a name.
    """
    filled: list[Filled] = []
    changes: dict[str, Any] = {}
    if spec.name is None:
        changes["name"] = _name_of(folder)
        filled.append(Filled(pointer="/name", value=changes["name"], because="the spec's folder has this name"))
    evaluation = spec.evaluation
    update: dict[str, Any] = {}
    if not evaluation.metrics:
        if evaluation.target:
            names, because = tuple(evaluation.target), "the target is set on them"
        else:
            output = spec.task.output
            has_schema = output.json_schema is not None
            names, because = default_metrics(
                spec.task.kind,
                output.format,
                has_schema=has_schema,
                has_labels=output.labels is not None,
                has_database=evaluation.database is not None,
            )
        update["metrics"] = names
        filled.append(Filled(pointer=METRICS, value=list(names), because=because))
    if evaluation.data is None:
        for role in ("test", "validation"):
            path = source_path(getattr(spec.data, role))
            if path is not None:
                update["data"] = path
                because = (
                    "the test data is there" if role == "test" else "there is no test data, and validation data is"
                )
                filled.append(Filled(pointer="/evaluation/data", value=path, because=because))
                break
    if update:
        changes["evaluation"] = evaluation.model_copy(update=update)
    return (spec.model_copy(update=changes) if changes else spec), tuple(filled)


def fit_metrics(
    spec: Spec, filled: tuple[Filled, ...], data: Mapping[str, DataSurvey]
) -> tuple[Spec, tuple[Filled, ...]]:
    """Metrics that were filled in, once more, now that the data are known.

    Args:
        spec: normalised.
        filled: what was filled in; metrics that the spec names are left as they are.
        data: the surveys by role.
    """
    if spec.evaluation.target or not any(each.pointer == METRICS for each in filled):
        return spec, filled
    first = next((data[role] for role in ("evaluation", "test", "validation", "train") if role in data), None)
    if first is None:
        return spec, filled
    if first.shape == "prompt/chosen/rejected":
        names: tuple[str, ...] = ("preference_accuracy",)
        because = "the rows to measure on compare two answers"
    elif (first.reasoned_share or 0.0) >= MOST:
        names, because = default_metrics(spec.task.kind, spec.task.output.format, has_final_answers=True)
    else:
        return spec, filled
    if names == spec.evaluation.metrics or not {"preference_accuracy", "final_answer"} & {*names}:
        return spec, filled
    made = Filled(pointer=METRICS, value=list(names), because=because)
    evaluation = spec.evaluation.model_copy(update={"metrics": names})
    kept = tuple(made if each.pointer == METRICS else each for each in filled)
    return spec.model_copy(update={"evaluation": evaluation}), kept


def fit_labels(
    spec: Spec, filled: tuple[Filled, ...], data: Mapping[str, DataSurvey]
) -> tuple[Spec, tuple[Filled, ...]]:
    """The labels of a task that lists none, where its data answer with a few words that repeat.

    Then baselines can be measured, and answers held to the set. Numbers are no labels, and rows to measure on that
    answer anything else say that the set is not closed.

    Args:
        spec: normalised.
        filled: what was filled in before.
        data: the surveys by role.
    """
    output, train = spec.task.output, data.get("train")
    if output.labels is not None or output.format not in ("text", "label") or train is None or not train.labels:
        return spec, filled
    few = len(train.labels) <= min(MOST_LABELS, (train.rows or 0) // ROWS_PER_LABEL)
    counted = any(label.strip("-+").replace(".", "").isdigit() for label in train.labels)
    measured = [data[role] for role in ("evaluation", "test", "validation") if role in data]
    closed = all(other.labels and other.labels.keys() <= train.labels.keys() for other in measured)
    if not closed or (output.format == "text" and (counted or not few)):
        return spec, filled
    labels = tuple(train.labels)
    because = f"the answers of {train.rows:,} rows to train on are {len(labels)} words that repeat"
    made = Filled(pointer="/task/output/labels", value=list(labels), because=because)
    task = spec.task.model_copy(update={"output": output.model_copy(update={"labels": labels})})
    return spec.model_copy(update={"task": task}), (*filled, made)


def _name_of(folder: Path) -> str:
    """The folder's name as a short id; `task` when nothing of it can stand in an id."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", folder.absolute().name).strip("-._")
    return name[:MAX_NAME] or "task"
