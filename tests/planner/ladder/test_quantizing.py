"""What is served in fewer bits is measured again, and held against what was measured before."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents import InputError, Plan
from planner.planning import plan
from tests.planner.specs import spec
from tests.planner.specs_after_training import finetuning

SMALL = {"max_serving_memory_gb": 6}
T4 = {"devices": [{"name": "T4", "memory_gb": 16}]}


def answer(document: Plan, question: str) -> Any:
    decision = document.decision(question)
    assert decision is not None
    return decision.answer


def quantized(document: Plan) -> Any:
    [step] = [step for step in document.steps if step.executor == "quantize"]
    return step


@pytest.mark.parametrize(
    ("hardware", "memory", "expected"),
    [
        ("h100", 12, "fp8"),
        ("a100-80gb", 12, "int8"),
        ("a100-80gb", 8, "gptq"),
        ("h100", 40, "none"),
        ("m2-max", 12, "gguf"),
    ],
)
def test_the_widest_format_that_fits_and_runs_fast_is_taken(hardware: str, memory: int, expected: str) -> None:
    document = plan(finetuning(hardware=hardware, constraints={"max_serving_memory_gb": memory}))
    assert answer(document, "quantization") == expected


def test_without_data_to_calibrate_on_weights_are_rounded_as_they_are() -> None:
    document = plan(spec(constraints=SMALL, data={"test": {"examples": 200}}, hardware="a100-80gb"))
    assert answer(document, "quantization") == "int4"
    assert "calibration" not in quantized(document).inputs
    with pytest.raises(InputError, match="QNT002"):
        plan(spec(constraints=SMALL, data={"test": {"examples": 200}}, overrides={"quantization": "gptq"}))


def test_a_few_rows_are_enough_for_awq_and_not_for_gptq() -> None:
    few = {"train": {"examples": 40}, "test": {"examples": 200}}
    step = quantized(plan(finetuning(constraints=SMALL, data=few)))
    assert (step.params["method"], step.params["calibration_rows"]) == ("awq", 40)


def test_a_model_that_was_trained_whole_is_what_is_quantized() -> None:
    small = {"models": [{"id": "Qwen/Qwen2.5-1.5B-Instruct"}], "constraints": {"max_serving_memory_gb": 3}}
    step = quantized(plan(finetuning(overrides={"method": "full"}, **small)))
    assert step.inputs["model"].step == "train/sft"


def test_calibration_reads_training_data_and_never_the_test_data() -> None:
    step = quantized(plan(finetuning(constraints=SMALL)))
    assert step.inputs["calibration"].pin == "data/train"
    assert (step.params["calibration_rows"], step.params["calibration_tokens"]) == (128, 2048)
    documents = {"documents": {"examples": 500}, "test": {"examples": 200}}
    assert quantized(plan(spec(constraints=SMALL, data=documents))).inputs["calibration"].pin == "data/documents"


def test_a_quantized_finetune_is_held_against_the_merged_model_and_the_target() -> None:
    document = plan(finetuning(constraints=SMALL))
    measured = document.step("evaluate/gptq")
    assert measured.inputs["model"].step == "quantize/gptq"
    assert measured.inputs["reference"].step == "evaluate/merged"
    gates = {gate.metric: gate for gate in measured.gates}
    assert (gates["token_agreement"].test, gates["token_agreement"].otherwise) == (">= 0.8", "stop")
    assert (gates["accuracy"].test, gates["accuracy"].bound) == (">= 0.9", "high")


def test_a_quantized_base_is_held_against_the_first_rung_which_is_sure_to_run() -> None:
    document = plan(spec(constraints=SMALL, data={"test": {"examples": 200}}))
    measured = document.step("evaluate/int4")
    assert measured.inputs["reference"].step == "evaluate/zero-shot"
    assert measured.inputs["prompt"].step == "prompt/zero-shot"
    assert [gate.metric for gate in measured.gates] == ["token_agreement"], "a first prompt may miss the target"


def test_adapters_of_many_tenants_are_measured_on_the_quantized_base() -> None:
    tenants = {"task__tenants": 20, "hardware": {"devices": [{"name": "RTX 3060", "memory_gb": 12}]}}
    document = plan(finetuning(models=[{"id": "meta-llama/Llama-2-13b-hf"}], **tenants))
    assert (answer(document, "serving"), answer(document, "quantization")) == ("adapters", "nf4")
    measured = document.step("evaluate/nf4")
    assert measured.inputs["model"].step == "quantize/nf4"
    assert measured.inputs["adapter"].step == "train/sft"


def test_an_adapter_trained_on_four_bits_is_merged_into_sixteen_and_quantized_again() -> None:
    document = plan(finetuning(models=[{"id": "meta-llama/Llama-2-13b-hf"}], hardware=T4))
    assert (answer(document, "method"), answer(document, "merge_into")) == ("qlora", "half-precision")
    assert quantized(document).inputs["model"].step == "merge/sft"
    assert "SVW140" in {finding.code for finding in document.warnings}


def test_where_sixteen_bits_do_not_fit_the_quantized_merge_is_held_against_the_adapter() -> None:
    document = plan(finetuning(models=[{"id": "meta-llama/Llama-2-13b-hf"}], hardware=T4))
    assert document.step("evaluate/sft").params["quantization"] == "nf4"
    kind = answer(document, "quantization")
    measured = document.step(f"evaluate/{kind}")
    assert (measured.inputs["model"].step, measured.params["quantization"]) == (f"quantize/{kind}", "none")
    assert measured.inputs["reference"].step == "evaluate/sft"
    assert "adapter" not in measured.inputs, "it is merged"
    assert "evaluate/merged" not in [step.address for step in document.steps]
    roomy = plan(finetuning())
    assert roomy.step("evaluate/merged").params["quantization"] == "none"


def test_merging_into_quantized_weights_is_refused() -> None:
    with pytest.raises(InputError, match="MIN001"):
        plan(finetuning(overrides={"merge_into": "quantized"}))


def test_a_quantized_base_is_not_quantized_again() -> None:
    models = [{"id": "house", "params": 7_000_000_000, "dtype": "int4"}]
    document = plan(spec(models=models, constraints=SMALL, data={"test": {"examples": 200}}))
    assert answer(document, "quantization") == "none"
    with pytest.raises(InputError, match="QNT007"):
        plan(spec(models=models, data={"test": {"examples": 200}}, overrides={"quantization": "int8"}))


def test_long_inputs_shrink_the_cache() -> None:
    long = plan(spec(task__max_input_tokens=100_000, hardware="l4"))
    assert answer(long, "kv_cache") == "fp8"
    assert answer(plan(spec(task__max_input_tokens=1000, hardware="l4")), "kv_cache") == "16-bit"


def test_what_cannot_be_served_at_all_is_told_with_what_would_fit() -> None:
    document = plan(finetuning(constraints={"max_serving_memory_gb": 1}))
    assert not document.status.applyable
    assert any("smaller base model" in need for need in document.status.needs)
    assert "SVW131" in {finding.code for finding in document.warnings}


def test_a_result_that_fits_is_served_as_it_is() -> None:
    document = plan(finetuning())
    assert not [step for step in document.steps if step.executor == "quantize"]
    assert answer(document, "quantization_bits") == 16


def test_a_quantization_that_nothing_can_measure_is_warned_of() -> None:
    document = plan(finetuning(constraints=SMALL, data={"train": {"examples": 3000}}))
    assert "SVW130" in {finding.code for finding in document.warnings}
    assert "SVW130" not in {finding.code for finding in plan(finetuning(constraints=SMALL)).warnings}


def test_the_memory_of_a_measurement_follows_the_bits_that_answer() -> None:
    document = plan(finetuning(constraints=SMALL))
    memory = {
        name: document.step(f"evaluate/{name}").resources.device_memory.expected  # type: ignore[union-attr]
        for name in ("merged", "gptq")
    }
    assert memory["gptq"] < 0.6 * memory["merged"]
