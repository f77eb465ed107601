"""The metrics that a spec gets when it names none can be measured, whatever the task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, get_args

import pytest

from executors.evaluate.metrics import Metric
from planner.documents.task import OutputFormat, TaskKind
from planner.planning import plan
from planner.survey.metrics import (
    FALLING_METRICS,
    KNOWN_METRICS,
    MEASURED_METRICS,
    default_metrics,
    lower_is_better,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_what_is_said_to_be_measured_is_what_the_executor_measures() -> None:
    assert set(get_args(Metric)) == MEASURED_METRICS
    assert set(KNOWN_METRICS) >= MEASURED_METRICS
    assert list(KNOWN_METRICS) == sorted(set(KNOWN_METRICS))


@pytest.mark.parametrize("kind", get_args(TaskKind))
@pytest.mark.parametrize("output_format", get_args(OutputFormat))
def test_every_kind_of_task_in_every_format_has_metrics_that_are_measured(kind: str, output_format: str) -> None:
    for has_schema in (True, False):
        for has_labels in (True, False):
            names, because = default_metrics(kind, output_format, has_schema=has_schema, has_labels=has_labels)
            assert names
            assert set(names) <= MEASURED_METRICS
            assert because
            assert has_schema or "schema_valid" not in names
            assert has_labels or "label_accuracy" not in names


def test_an_error_rate_is_better_when_it_is_smaller() -> None:
    assert lower_is_better("perplexity")
    assert not lower_is_better("accuracy")
    assert {"perplexity"} == FALLING_METRICS & MEASURED_METRICS


def test_data_that_reason_are_measured_by_what_they_end_with(tmp_path: Path) -> None:
    rows = [{"question": f"{n}+1?", "answer": f"{n} and one\n#### {n + 1}"} for n in range(30)]
    (tmp_path / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    spec = {
        "task": {"description": "Solve it", "kind": "question-answering"},
        "models": [{"id": "gpt2"}],
        "data": {"test": "test.jsonl"},
    }
    assert plan(spec, folder=tmp_path).spec.evaluation.metrics == ("final_answer",)
    assert plan({**spec, "evaluation": {"metrics": ["exact_match"]}}, folder=tmp_path).spec.evaluation.metrics == (
        "exact_match",
    )
