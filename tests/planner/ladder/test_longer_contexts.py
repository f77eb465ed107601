"""How training for a longer context is drawn: what is asked before it, how far it stretches, what is held after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.evaluate import EvaluateParams
from executors.train.params import TrainParams
from planner.planning import plan
from tests.planner.specs import spec

if TYPE_CHECKING:
    from planner.documents import Plan

LONGER: dict[str, Any] = {
    "task__kind": "chat",
    "task__output": {"format": "text"},
    "models": [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}],
    "task__max_input_tokens": 12_000,
    "overrides": {"objective": "long-context", "approach": "finetune"},
    "hardware": "h100",
}


def drawn(**changes: Any) -> Plan:
    return plan(spec(**LONGER | changes))


@pytest.mark.parametrize(("longest", "asked"), [(12_000, False), (2_000, True)])
def test_a_base_that_cannot_read_the_inputs_is_not_asked_them(longest: int, asked: bool) -> None:
    addresses = {step.address for step in drawn(task__max_input_tokens=longest).steps}
    assert ("evaluate/zero-shot" in addresses) == ("diagnose/prompting" in addresses) == asked


def test_after_a_longer_context_short_inputs_are_held_against_the_base() -> None:
    document = drawn()
    last = next(step for step in reversed(document.steps) if step.executor == "train")
    before, after = (document.step(f"evaluate/short-inputs{name}") for name in ("-before", ""))
    assert before.inputs.keys() == {"model", "prompt", "data"}
    assert after.inputs.keys() == {"model", "prompt", "data", "reference", *last.outputs}
    assert before.inputs["model"] == after.inputs["model"] == last.inputs["model"]
    assert before.params == after.params
    assert (after.params["window"], after.params["metrics"], after.params["limit"]) == (8192, ["perplexity"], 64)
    [gate] = after.gates
    assert (gate.when, gate.otherwise, gate.metric, gate.test) == ("after", "stop", "perplexity_ratio", "<= 1.02")
    for step in (before, after):
        EvaluateParams.model_validate(step.params)
    assert not any("short-inputs" in step.address for step in drawn(overrides={"approach": "finetune"}).steps)


def test_a_longer_context_says_how_far_positions_are_stretched() -> None:
    [step] = [step for step in drawn().steps if step.executor == "train"]
    assert step.params["method"] == "longlora"
    assert step.params["scaling"] == "linear"
    assert float(str(step.params["scaling_factor"])) * 8192 >= int(str(step.params["max_length"])) > 12_000
    TrainParams.model_validate(step.params)
