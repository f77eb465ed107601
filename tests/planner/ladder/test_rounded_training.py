"""Training with weights that are rounded at every pass: a step where rounding alone was measured to lose."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents import InputError
from planner.planning import plan
from tests.planner.specs import spec
from tests.planner.specs_after_training import answer, finetuning, quantized


def test_training_with_rounded_weights_is_a_step_before_they_are_rounded_for_good() -> None:
    small = {"models": [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]}
    plain = plan(finetuning(overrides={"quantization": "int8-int4"}, **small))
    assert (answer(plain, "qat"), "train/qat" in [step.address for step in plain.steps]) == ("none", False)
    document = plan(finetuning(overrides={"quantization": "int8-int4", "qat": "int8-int4"}, **small))
    step = document.step("train/qat")
    assert step.inputs["model"].step == "merge/sft"
    assert quantized(document).inputs["model"].step == "train/qat"
    assert (step.params["method"], step.params["rounding"], step.params["rounding_group"]) == ("qat", "int8-int4", 32)
    assert step.params["learning_rate"] == 2e-5
    held = document.step("equivalence/int8-int4")
    assert held.inputs["reference"].step == "evaluate/sft", "it is held against what was measured before"
    assert not [each for each in held.gates if "overrides.qat" in each.because]


def test_a_loss_that_was_measured_leads_to_training_with_rounded_weights() -> None:
    small = {"models": [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]}
    for loss, expected in ((0.12, "int8-int4"), (0.01, "none")):
        tried = [{"approach": "finetune", "method": "quantized to int8-int4", "metrics": {"metric_loss": loss}}]
        document = plan(
            finetuning(overrides={"quantization": "int8-int4", "approach": "finetune"}, attempts=tried, **small)
        )
        assert answer(document, "qat") == expected


def test_a_finetune_that_met_the_target_is_trained_on_where_its_few_bits_lost_too_much() -> None:
    def drawn(loss: float, form: str = "int8-int4") -> tuple[Any, list[str]]:
        attempts = [
            {"approach": "finetune", "method": "lora", "metrics": {"accuracy": 0.95}},
            {"approach": "finetune", "method": f"quantized to {form}", "metrics": {"metric_loss": loss}},
        ]
        small = [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]
        document = plan(spec(attempts=attempts, models=small, overrides={"quantization": form}))
        return answer(document, "approach"), [step.address for step in document.steps]

    approach, addresses = drawn(0.12)
    assert approach == "finetune"
    assert "train/qat" in addresses
    assert drawn(0.01)[0] == "none"
    assert drawn(0.12, "nf4")[0] == "none", "training cannot round to it"


@pytest.mark.parametrize(
    ("overrides", "rule"),
    [
        ({"quantization": "nf4"}, "QAT002"),
        ({"quantization": "gguf"}, "QAT002"),
        ({"quantization": "int8-int4", "serving": "adapters"}, "QAT003"),
    ],
)
def test_rounding_in_training_to_what_is_not_served_is_refused(overrides: dict[str, Any], rule: str) -> None:
    small = {"models": [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]}
    with pytest.raises(InputError, match=rule):
        plan(finetuning(overrides={**overrides, "qat": "int8-int4"}, **small))
