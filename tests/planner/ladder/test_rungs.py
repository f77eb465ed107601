"""The rungs that a plan holds: in order of their price, each for a reason, and none that was ruled out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.registry import executor_registry
from planner.planning import plan
from tests.planner.specs import EXPLORED, spec

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Plan

TEXT = {"kind": "question-answering", "description": "Answer staff questions", "knowledge": {"private": True}}
DOCUMENTS = {"documents": {"examples": 900}, "test": {"examples": 300}}


def rag(accuracy: float, retrieval: str = "bm25", **more: Any) -> dict[str, Any]:
    return {"approach": "rag", "retrieval": retrieval, "metrics": {"accuracy": accuracy}} | more


def addresses(document: Plan) -> list[str]:
    return [step.address for step in document.steps]


def answer(document: Plan, question: str) -> Any:
    decision = document.decision(question)
    assert decision is not None
    return decision.answer


def test_term_search_goes_before_a_hybrid_and_both_before_training() -> None:
    document = plan(spec(task=TEXT, data=DOCUMENTS | {"train": {"examples": 900}}))
    found = addresses(document)
    order = ["prompt/zero-shot", "prompt/few-shot", "retrieve/bm25", "retrieve/hybrid", "train/sft"]
    assert [found.index(address) for address in order] == sorted(found.index(address) for address in order)
    asked = {gate.steps[0] for gate in document.step("retrieve/hybrid").gates}
    assert "evaluate/bm25" in asked


def test_what_was_tried_is_not_indexed_again() -> None:
    document = plan(spec(task=TEXT, data=DOCUMENTS, attempts=[*EXPLORED, rag(0.7)], failures={"information": 30}))
    assert "retrieve/hybrid" in addresses(document)
    assert "retrieve/bm25" not in addresses(document)


def test_the_parameters_of_a_search_are_those_that_were_decided() -> None:
    pins = {"chunk_tokens": 96, "passages": 7, "retrieval": "bm25"}
    document = plan(spec(task=TEXT, data=DOCUMENTS, attempts=EXPLORED, failures={"missing": 30}, overrides=pins))
    step = document.step("retrieve/bm25")
    assert (step.params["chunk_tokens"], step.params["passages"]) == ([96], [7])
    assert document.step("evaluate/bm25").params["passages"] is None, "as many as the index says"
    executor_registry().load("retrieve").params.model_validate(step.params)


def test_a_hybrid_names_the_model_that_embeds() -> None:
    document = plan(spec(task=TEXT, data=DOCUMENTS, attempts=[*EXPLORED, rag(0.7)], failures={"information": 30}))
    assert document.step("retrieve/hybrid").inputs["encoder"].pin == "model/encoder"
    assert document.pins["model/encoder"].path == answer(document, "encoder")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"task__changes": "weekly"}, "a weekly task"),
        ({"data__train": {"examples": 5000, "quality": "noisy"}}, "noisy rows"),
        ({"data__train": {"examples": 20}}, "few rows"),
        ({"failures": {"capability": 30}, "attempts": EXPLORED}, "a task beyond the model"),
    ],
)
def test_training_is_kept_out_of_the_plan_by(changes: dict[str, Any], why: str) -> None:
    document = plan(spec(**changes))
    assert "finetune" not in answer(document, "rungs"), why
    assert not [step for step in document.steps if step.executor == "train"]


def test_when_the_model_cannot_the_plan_names_a_stronger_one() -> None:
    document = plan(spec(failures={"capability": 30}, attempts=EXPLORED))
    assert answer(document, "escalation") == "stronger-base"
    [way] = [each for each in document.alternatives if each.name == "stronger-base"]
    assert way.set["models"] == [{"id": answer(document, "stronger_base")}]
    assert any("stronger" in finding.message for finding in document.warnings)


def test_decoding_is_held_to_the_labels_in_every_measurement() -> None:
    document = plan(spec())
    measured = [step for step in document.steps if step.executor == "evaluate"]
    assert measured
    assert {step.params["decoding"] for step in measured} == {"labels"}


@pytest.mark.parametrize(
    ("output", "decided", "done"),
    [
        ({"format": "json", "schema": {"type": "object"}}, "schema", "schema"),
        ({"format": "json"}, "grammar", "grammar"),
        ({"format": "sql"}, "free", "free"),
        ({"format": "text", "pattern": "[0-9]+"}, "pattern", "pattern"),
        ({"format": "dsl"}, "free", "free"),
        ({"format": "text"}, "free", "free"),
    ],
)
def test_a_step_holds_the_form_that_its_executor_can_hold(output: dict[str, Any], decided: str, done: str) -> None:
    document = plan(spec(task={"description": "Do it", "kind": "semantic-parsing", "output": output}))
    assert answer(document, "decoding") == decided
    assert document.step("evaluate/zero-shot").params["decoding"] == done


def test_failures_of_unknown_cause_are_diagnosed_before_anything_is_trained() -> None:
    document = plan(spec(attempts=EXPLORED))
    found = addresses(document)
    assert found.index("evaluate/zero-shot") < found.index("diagnose/prompting") < found.index("train/sft")
    assert document.step("diagnose/prompting").inputs["predictions"].step == "evaluate/zero-shot-screen"


def test_the_price_of_missing_rows_is_a_risk_in_dollars() -> None:
    changes = {"task": {"description": "Reply", "kind": "chat"}, "data__train": {"examples": 1500}}
    [risk] = [risk for risk in plan(spec(**changes)).risks if "$" in risk]
    assert risk.startswith("The data may be too few: 3,500 more examples would make 5,000, for $7,000 to $70,000")


def test_other_skills_are_measured_before_and_after_training(tmp_path: Path) -> None:
    (tmp_path / "greet.jsonl").write_text('{"prompt": "hi", "completion": "hello"}\n')
    others = [{"name": "Greet people", "data": "greet.jsonl", "tolerance": 0.05}, {"name": "no data"}]
    document = plan(spec(task__other_tasks=others), folder=tmp_path)
    assert answer(document, "regression_guard") == "train-on-all"
    before, after = (document.step(f"evaluate/regression-greet-people{end}") for end in ("-before", ""))
    assert after.inputs["reference"].step == before.address
    assert after.inputs["adapter"].step == "train/sft"
    assert before.inputs["data"] == after.inputs["data"]
    assert document.pins["data/other-0"].path == "greet.jsonl"
    assert before.gates == document.step("train/sft").gates, "measured only when training runs"
    assert "5%" in after.title
    for step in (before, after, document.step("prompt/regression-greet-people")):
        executor_registry().load(step.executor).params.model_validate(step.params)
    assert not [address for address in addresses(document) if "no-data" in address]


def test_other_skills_need_no_guard_when_no_weight_changes() -> None:
    others = [{"name": "Greet people", "data": "greet.jsonl"}]
    document = plan(spec(data={}, task__other_tasks=[{"name": others[0]["name"]}]))
    assert answer(document, "regression_guard") == "none"


@pytest.mark.parametrize(
    ("others", "constraints", "guard"),
    [
        ([{"name": "a", "tolerance": 0.0}], {}, "separate-models"),
        ([{"name": "a"}], {"deployment": "device", "max_serving_memory_gb": 8}, "merge"),
        ([{"name": "a"}], {}, "measure"),
    ],
)
def test_the_guard_follows_what_may_be_lost_and_where_it_runs(
    others: list[dict[str, Any]], constraints: dict[str, Any], guard: str
) -> None:
    assert answer(plan(spec(task__other_tasks=others, constraints=constraints)), "regression_guard") == guard
