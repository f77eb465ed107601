"""A classifier is trained and measured as one: without prompt, probes of manners, or words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.registry import executor_registry
from planner.documents import InputError
from planner.planning import plan
from tests.planner.specs import spec

if TYPE_CHECKING:
    from planner.documents import Plan, Step

MEASURED = {"metrics": ["label_accuracy"], "target": {"label_accuracy": 0.9}}
SMALL = [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]


def headed(rows: int, **overrides: Any) -> Plan:
    return plan(
        spec(
            evaluation=MEASURED,
            models=SMALL,
            data__train={"examples": rows, "mean_tokens": 40, "quality": "curated"},
            overrides={"objective": "classification-head"} | overrides,
        )
    )


def step_of(document: Plan, address: str) -> Step:
    return next(step for step in document.steps if step.address == address)


@pytest.mark.parametrize(
    ("rows", "overrides", "executor"),
    [
        (25_000, {}, "train"),
        (800, {}, "linear-probe"),
        (5000, {"method": "full"}, "train"),
        (5000, {"method": "partial"}, "train"),
    ],
)
def test_a_head_is_trained_and_measured_without_a_prompt(rows: int, overrides: dict[str, Any], executor: str) -> None:
    document = headed(rows, **overrides)
    trained = step_of(document, "train/classification-head")
    assert trained.executor == executor
    assert trained.params["labels"] == ["bug", "billing", "other"]
    assert set(trained.inputs) == {"model", "train", "validation"}
    measured = [step for step in document.steps if step.executor == "evaluate" and "prompt" not in step.inputs]
    assert "evaluate/classification-head" in {step.address for step in measured}
    assert {step.params["decoding"] for step in measured} == {"head"}
    for step in (trained, *measured):
        loaded = executor_registry().load(step.executor)
        loaded.params.model_validate(step.params)
        assert step.version == loaded.version
    assert not [step for step in document.steps if step.executor == "probes"]


def test_an_adapter_with_a_head_is_merged_and_measured_again() -> None:
    document = headed(25_000)
    assert step_of(document, "merge/classification-head").inputs["adapter"].step == "train/classification-head"
    assert step_of(document, "evaluate/merged").params["decoding"] == "head"


@pytest.mark.parametrize("method", ["prompt-tuning", "p-tuning", "prefix-tuning", "longlora"])
def test_what_leaves_no_head_is_no_way_to_train_one(method: str) -> None:
    with pytest.raises(InputError, match="exclude each other: rule MET009"):
        headed(5000, method=method)


def test_a_file_for_llama_cpp_is_not_made_of_a_head() -> None:
    with pytest.raises(InputError, match="exclude each other: rule QNT008"):
        headed(5000, approach="finetune", quantization="gguf")


def test_a_stack_whose_head_is_probed_is_measured_with_that_head() -> None:
    merge = {"sources": [{"id": "part", "base": "house/one"}], "intent": "upscale"}
    models = [{"id": "google-bert/bert-base-uncased"}, {"id": "house/one", "params": 50_000_000, "dtype": "fp32"}]
    rows = {"train": {"examples": 900, "mean_tokens": 40}, "test": {"examples": 100}}
    document = plan(spec(models=models, merge=merge, data=rows))
    assert step_of(document, "train/classification-head").executor == "linear-probe"
    assert step_of(document, "evaluate/merged").inputs["model"].step == "merge/classification-head"
