"""Models that a server answers for: prompted, never trained, and named by everything but their key."""

from __future__ import annotations

from typing import Any

import pytest

from executors.evaluate import EvaluateParams
from planner.documents import InputError, Plan
from planner.planning import plan
from tests.planner.specs import EXPLORED, spec

SERVER: dict[str, Any] = {"url": "http://localhost:8000/v1", "api_key_env": "SERVED_KEY", "concurrency": 4}
SERVED = [{"id": "lab/model", "endpoint": SERVER}]
SMALL = {"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}


def evaluations(document: Plan) -> dict[str, dict[str, Any]]:
    return {step.address: dict(step.params) for step in document.steps if step.executor == "evaluate"}


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"attempts": EXPLORED},
        {"attempts": EXPLORED, "failures": {"behaviour": 40}},
        {
            "attempts": EXPLORED,
            "failures": {"information": 40},
            "data__documents": {"examples": 50, "mean_tokens": 300},
        },
        {"hardware": {"devices": [{"name": "cpu", "memory_gb": 2}]}},
        {"data": {"test": {"examples": 10}}},
        {"overrides": {"quantization": "gptq"}},
        {"constraints": {"latency_ms": 100, "max_hours": 1, "max_serving_memory_gb": 1, "budget_usd": 1}},
        {"models": [{"id": "meta-llama/Llama-3.1-70B-Instruct", "endpoint": SERVER}]},
        {"models": [{"id": "lab/model", "params": 70_000_000_000, "endpoint": SERVER}]},
    ],
    ids=lambda changes: ",".join(changes) or "plain",
)
def test_a_served_base_is_prompted_and_never_trained(changes: dict[str, Any]) -> None:
    document = plan(spec(**{"models": SERVED} | changes))
    assert document.status.applyable
    assert not {step.executor for step in document.steps} & {"train", "merge", "quantize", "prepare"}
    assert not [name for name in document.pins if name == "model/base"]
    found = evaluations(document)
    assert found
    for params in found.values():
        EvaluateParams.model_validate(params)
        assert params["endpoint"]["model"] == document.spec.models[0].id
        assert params["endpoint"]["api_key_env"] == "SERVED_KEY"
        assert params["quantization"] == "none"
    for step in document.steps:
        if step.executor == "evaluate":
            assert "model" not in step.inputs
            assert step.resources.device_memory is None
            assert step.resources.time is not None


def test_training_of_a_served_base_is_vetoed_with_the_reason() -> None:
    document = plan(spec(models=SERVED, attempts=EXPLORED, failures={"behaviour": 40}))
    decision = document.decision("approach")
    assert decision is not None
    [rejected] = [each for each in decision.rejected if each.answer == "finetune"]
    assert "a server answers for the base" in str(rejected)


def test_a_spec_that_pins_training_of_a_served_base_is_refused() -> None:
    with pytest.raises(InputError):
        plan(spec(models=SERVED, overrides={"approach": "finetune"}))


def test_a_judge_grades_every_answer_of_the_task() -> None:
    models = [SMALL, {"id": "grader", "role": "judge", "endpoint": SERVER | {"model": "big"}}]
    evaluation = {"metrics": ["accuracy"], "target": {"accuracy": 0.9}, "judge": {"model": "grader", "scale": 3}}
    document = plan(spec(models=models, evaluation=evaluation))
    assert document.decision("base_model").answer == SMALL["id"]  # type: ignore[union-attr]
    for params in evaluations(document).values():
        assert params["endpoint"] is None
        assert params["metrics"][-1] == "judge"
        assert (params["judge"]["endpoint"]["model"], params["judge"]["scale"]) == ("big", 3)


def test_a_served_teacher_writes_rows_for_a_base_that_is_at_hand() -> None:
    models = [SMALL, {"id": "gpt", "role": "teacher", "endpoint": SERVER}]
    document = plan(spec(models=models, attempts=EXPLORED, overrides={"path": "distillation"}))
    written = document.step("distill/rows")
    assert "model" not in written.inputs
    assert written.params["endpoint"]["model"] == "gpt"  # type: ignore[index,call-overload]
    assert [step.address for step in document.steps if step.executor == "train"]


def test_a_stronger_model_is_no_candidate() -> None:
    document = plan(spec(models=[SMALL, {"id": "gpt", "role": "stronger", "endpoint": SERVER}]))
    assert document.decision("base_model").answer == SMALL["id"]  # type: ignore[union-attr]


# What is wrong, and the code of the finding.
WRONG: list[tuple[dict[str, Any], str]] = [
    ({"models": [SMALL, {"id": "j", "role": "judge"}]}, "SPEC042"),
    ({"evaluation": {"metrics": ["accuracy"], "judge": {"model": "j"}}}, "SPEC043"),
    ({"evaluation": {"metrics": ["accuracy", "judge"]}}, "SPEC044"),
    ({"models": [{"id": "m", "endpoint": {"url": "localhost:8000"}}]}, "SPEC"),
    ({"models": [{"id": "m", "endpoint": {"url": "http://user:secret@localhost/v1"}}]}, "SPEC"),
    ({"models": [{"id": "m", "endpoint": {"url": "http://localhost/v1?key=secret"}}]}, "SPEC"),
    ({"models": [{"id": "m", "endpoint": {"url": "http://localhost/v1", "api_key": "secret"}}]}, "SPEC"),
    ({"models": [{"id": "m", "endpoint": {"url": "http://localhost/v1", "api_key_env": "sk-secret"}}]}, "SPEC"),
]


@pytest.mark.parametrize(("changes", "code"), WRONG)
def test_what_is_wrong_with_an_endpoint_or_a_judge_is_told(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(InputError) as raised:
        plan(spec(**changes))
    assert any(finding.code.startswith(code) for finding in raised.value.findings)


@pytest.mark.parametrize(
    ("url", "warned"),
    [
        ("http://localhost:8000/v1", False),
        ("http://127.0.0.1/v1", False),
        ("http://10.1.2.3:80", False),
        ("http://gpu-box:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("http://gpu.lan/v1", False),
        ("https://api.vendor.com/v1", True),
        ("https://10.vendor.com/v1", True),
        ("https://localhost.vendor.com", True),
    ],
)
def test_an_endpoint_far_away_does_not_fit_a_run_offline(url: str, warned: bool) -> None:
    document = plan(spec(models=[{"id": "m", "endpoint": {"url": url}}], constraints={"offline": True}))
    assert ("SPEC048" in {finding.code for finding in document.warnings}) is warned


def test_files_beside_an_endpoint_are_said_not_to_be_looked_at() -> None:
    document = plan(spec(models=[{"id": "m", "path": "nowhere", "endpoint": SERVER}]))
    assert "SPEC047" in {finding.code for finding in document.warnings}
