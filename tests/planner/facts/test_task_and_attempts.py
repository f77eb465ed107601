"""What the spec says of the task, of earlier attempts, of failures and of merging."""

from __future__ import annotations

from typing import Any

import pytest

from planner.facts import Unknown
from planner.facts.failures import CAUSES
from planner.survey.symptoms import SYMPTOMS
from tests.planner.facts.boards import board
from tests.planner.specs import EXPLORED

RAG = {"approach": "rag", "retrieval": "bm25", "metrics": {"accuracy": 0.8}}


@pytest.mark.parametrize(
    ("name", "changes", "value"),
    [
        ("task_kind", {}, "classification"),
        ("closed_labels", {}, True),
        ("closed_labels", {"task__output": {"format": "text"}}, False),
        ("structured_output", {"task__output": {"format": "json"}}, True),
        ("structured_output", {}, False),
        ("rare_syntax", {"task__output": {"format": "dsl"}}, True),
        ("rare_syntax", {"task__output": {"format": "yaml", "rarity": "rare"}}, True),
        ("rare_syntax", {"task__output": {"format": "json"}}, False),
        ("needs_outside_knowledge", {"task__knowledge": {"private": True}}, True),
        ("needs_outside_knowledge", {"task__knowledge": {"freshness": "daily"}}, True),
        ("needs_outside_knowledge", {}, False),
        ("other_tasks", {"task__other_tasks": [{"name": "a"}, {"name": "b"}]}, 2),
        ("tenants", {}, 1),
        ("max_input_tokens", {}, Unknown("the spec gives no longest input")),
        ("max_input_tokens", {"task__max_input_tokens": 9000}, 9000),
        ("deployment", {}, Unknown("the spec names no deployment")),
        ("maintenance_owner", {}, Unknown("the spec does not say")),
        ("maintenance_owner", {"constraints__maintenance_owner": False}, False),
        ("has_target", {}, True),
        ("has_target", {"evaluation": {}}, False),
        ("has_evaluation_data", {}, True),
        ("has_evaluation_data", {"data": {"train": {"examples": 3}}}, False),
        ("evaluation_rows", {}, 500),
        ("teacher_given", {"models": [{"id": "gpt2"}, {"id": "distilgpt2", "role": "teacher", "params": 5}]}, True),
    ],
)
def test_the_task_is_read_as_it_stands(name: str, changes: dict[str, Any], value: Any) -> None:
    assert board(**changes).get(name) == value


def test_without_attempts_nothing_was_tried() -> None:
    found = board()
    tried = ("prompt_tried", "few_shot_tried", "rag_tried", "advanced_retrieval_tried", "finetune_tried")
    assert not any(found.get(name) for name in (*tried, "prompting_measured"))
    assert found.get("prompts_tried") == 0
    assert found.get("target_gap") == Unknown("no attempt measured every metric of the target")


def test_attempts_are_added_up() -> None:
    found = board(attempts=[*EXPLORED, RAG])
    assert found.get("prompts_tried") == 18
    assert found.get("prompting_measured") is True
    assert found.get("rag_tried") is True
    assert found.get("advanced_retrieval_tried") is False
    assert found.get("target_gap") == pytest.approx(0.1)
    assert found.get("rag_gain") == pytest.approx(0.14)


def test_the_gap_is_that_of_the_best_attempt_in_its_worst_metric() -> None:
    evaluation = {"metrics": ["accuracy", "macro_f1"], "target": {"accuracy": 0.9, "macro_f1": 0.8}}
    attempts = [
        {"approach": "prompt", "metrics": {"accuracy": 0.95, "macro_f1": 0.5}},
        {"approach": "few-shot", "metrics": {"accuracy": 0.85, "macro_f1": 0.79}},
        {"approach": "finetune", "metrics": {"accuracy": 0.99}},
    ]
    assert board(evaluation=evaluation, attempts=attempts).get("target_gap") == pytest.approx(0.05)
    met = [{"approach": "prompt", "metrics": {"accuracy": 0.9, "macro_f1": 0.8}}]
    assert board(evaluation=evaluation, attempts=met).get("target_gap") == pytest.approx(0)
    assert isinstance(board(evaluation={}, attempts=attempts).get("target_gap"), Unknown)


def test_prompts_that_nobody_counted_are_unknown() -> None:
    assert isinstance(board(attempts=[{"approach": "prompt"}]).get("prompts_tried"), Unknown)


def test_failures_are_shares_by_cause() -> None:
    found = board(failures={"information": 6, "malformed": 3, "style": 1})
    assert found.get("failures_seen") == 10
    assert found.get("information_share") == pytest.approx(0.6)
    assert found.get("behaviour_share") == pytest.approx(0.4)


def test_a_hallucination_counts_for_both_causes() -> None:
    found = board(failures={"hallucination": 4})
    assert found.get("information_share") == found.get("behaviour_share") == 1


@pytest.mark.parametrize("failures", [None, {"behaviour": 0}])
def test_no_failures_are_no_evidence(failures: dict[str, int] | None) -> None:
    found = board(failures=failures)
    for name in ("failures_seen", "information_share", "behaviour_share"):
        assert found.get(name) == Unknown("the spec tells no failures")


def test_every_symptom_that_a_spec_may_name_has_a_cause() -> None:
    assert set(SYMPTOMS) - CAUSES.keys() == {"wrong content", "unknown"}, "a wrong content says nothing of its cause"


def test_a_merge_is_read_as_it_stands() -> None:
    models = [{"id": "b", "params": 7_000_000_000}]
    merge = {"sources": [{"id": "x", "base": "b"}, {"id": "y", "base": "b"}], "intent": "remove", "method": "ties"}
    found = board(models=models, merge=merge)
    names = ("merge_requested", "merge_intent", "merge_method", "merge_sources", "merge_bases")
    assert [found.get(name) for name in names] == [True, "remove", "ties", 2, 1]
    merge["sources"].append({"id": "z"})  # type: ignore[attr-defined]
    assert isinstance(board(models=models, merge=merge).get("merge_bases"), Unknown)
    assert board().get("merge_requested") is False
    assert board().get("merge_sources") == 0
