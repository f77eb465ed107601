"""The diagnosis of a plan: it has what its experiments need, from the rung that it looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.registry import executor_registry
from planner.documents import FailureReport, pretty_json
from planner.planning import plan
from tests.planner.specs import EXPLORED, spec

if TYPE_CHECKING:
    from pathlib import Path

QUESTIONS = {"kind": "question-answering", "description": "Answer staff questions", "knowledge": {"private": True}}
DOCUMENTS = {"documents": {"examples": 900}, "test": {"examples": 300}, "train": {"examples": 900}}
ADDRESS = "diagnose/prompting"


def diagnosis(**changes: Any) -> Any:
    return plan(spec(**changes)).step(ADDRESS)


def test_it_asks_the_model_with_the_prompt_that_failed() -> None:
    step = diagnosis()
    source = plan(spec()).step(step.inputs["predictions"].step)
    assert (step.executor, step.version) == ("diagnose", "3")
    assert step.inputs["model"] == source.inputs["model"]
    assert step.inputs["prompt"] == source.inputs["prompt"]
    assert step.inputs["train"].pin == "data/train"
    assert step.params["limit"] == 60
    executor_registry().load("diagnose").params.model_validate(step.params)


def test_it_searches_the_index_of_the_rung_that_failed() -> None:
    step = diagnosis(task=QUESTIONS, data=DOCUMENTS)
    assert step.inputs["index"].step.startswith("retrieve/")
    assert step.params["passages"] is None, "as many as the index was made for"


def test_a_teacher_that_a_server_answers_for_is_the_stronger_model() -> None:
    models = [
        {"id": "HuggingFaceTB/SmolLM2-135M-Instruct"},
        {"id": "strong", "role": "teacher", "endpoint": {"url": "http://localhost:8000/v1"}},
    ]
    step = diagnosis(models=models)
    assert step.params["stronger_endpoint"]["url"] == "http://localhost:8000/v1"
    assert "stronger" not in step.inputs


def test_its_time_grows_with_what_it_asks() -> None:
    few = diagnosis(task=QUESTIONS, data={"test": {"examples": 300}, "train": {"examples": 900}})
    more = diagnosis(task=QUESTIONS, data=DOCUMENTS)
    assert few.resources.time.expected > 1
    assert more.resources.time.expected > few.resources.time.expected


def test_what_a_diagnosis_could_not_explain_is_not_diagnosed_again(tmp_path: Path) -> None:
    cases = {"cases_seen": 30, "failed": 30, "by_cause": {"unknown": 24, "behaviour": 6}, "cases": ()}
    report = FailureReport.model_validate({"source": ADDRESS, "by_symptom": {"wrong content": 30}, **cases})
    (tmp_path / "failures.json").write_text(pretty_json(report.to_json()))
    known = spec(attempts=EXPLORED, failures="failures.json", overrides={"approach": "finetune"})
    addresses = {step.address for step in plan(known, folder=tmp_path).steps}
    assert "train/sft" in addresses
    assert not [each for each in addresses if each == ADDRESS or each.startswith("evaluate/zero-shot")]
    told = spec(attempts=EXPLORED, failures={"unknown": 24}, overrides={"approach": "finetune"})
    assert ADDRESS in {step.address for step in plan(told).steps}, "nobody looked into them yet"
