"""What is served in fewer bits is measured again, and held against what was measured before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError
from planner.planning import plan
from tests.planner.specs import spec
from tests.planner.specs_after_training import SMALL_SERVING, answer, finetuning, quantized

if TYPE_CHECKING:
    from pathlib import Path

T4 = {"devices": [{"name": "T4", "memory_gb": 16}]}


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
    document = plan(spec(constraints=SMALL_SERVING, data={"test": {"examples": 200}}, hardware="a100-80gb"))
    assert answer(document, "quantization") == "int4"
    assert "calibration" not in quantized(document).inputs
    with pytest.raises(InputError, match="QNT002"):
        plan(spec(constraints=SMALL_SERVING, data={"test": {"examples": 200}}, overrides={"quantization": "gptq"}))


def test_a_few_rows_are_enough_for_awq_and_not_for_gptq() -> None:
    few = {"train": {"examples": 40}, "test": {"examples": 200}}
    step = quantized(plan(finetuning(constraints=SMALL_SERVING, data=few)))
    assert (step.params["method"], step.params["calibration_rows"]) == ("awq", 40)


def test_a_model_that_was_trained_whole_is_what_is_quantized() -> None:
    small = {"models": [{"id": "Qwen/Qwen2.5-1.5B-Instruct"}], "constraints": {"max_serving_memory_gb": 3}}
    step = quantized(plan(finetuning(overrides={"method": "full"}, **small)))
    assert step.inputs["model"].step == "train/sft"


def test_a_quantized_finetune_is_held_against_the_merged_model_and_the_target() -> None:
    document = plan(finetuning(constraints=SMALL_SERVING))
    measured = document.step("evaluate/gptq")
    assert measured.inputs["model"].step == "quantize/gptq"
    assert measured.inputs["reference"].step == "evaluate/merged"
    [sound] = measured.gates
    assert (sound.metric, sound.test, sound.otherwise) == ("token_agreement", ">= 0.8", "stop")
    held = document.step("equivalence/gptq")
    gates = {gate.metric: gate for gate in held.gates}
    assert (gates["accuracy"].test, gates["accuracy"].bound) == (">= 0.9", "high")
    assert gates["accuracy"].steps == ("evaluate/gptq",), "all numbers are measured before one of them stops the run"


def test_every_form_is_held_against_the_adapter_on_the_same_prompts() -> None:
    document = plan(finetuning(constraints=SMALL_SERVING))
    for name, model in (("merged", "merge/sft"), ("gptq", "quantize/gptq")):
        step = document.step(f"equivalence/{name}")
        read = {key: source.step for key, source in step.inputs.items()}
        assert (read["reference"], read["reference_adapter"]) == ("evaluate/sft", "train/sft")
        assert (read["model"], read["predictions"]) == (model, f"evaluate/{name}")
        assert (step.params["metric"], step.params["rows"]) == ("accuracy", 24)
        assert len({gate.name for gate in step.gates}) == len(step.gates), "gates of one name are alternatives"
        assert all(gate.otherwise == "stop" and gate.when == "after" for gate in step.gates)


@pytest.mark.parametrize(
    ("hardware", "overrides", "name", "expected"),
    [
        ("l4", {}, "merged", "overrides.serving: adapters"),
        ("l4", {"method": "qlora"}, "merged", "overrides.merge_into: dequantized"),
        ("l4", {"quantization": "nf4"}, "nf4", "overrides.quantization: gptq"),
        ("l4", {"quantization": "gptq"}, "gptq", "overrides.quantization: int8"),
        ("l4", {"quantization": "int8"}, "int8", "overrides.quantization: none"),
        ("m2-max", {"quantization": "gguf", "quantization_bits": 4}, "gguf", "overrides.quantization_bits: 8"),
    ],
)
def test_a_gate_names_the_next_cheaper_way(hardware: str, overrides: dict[str, Any], name: str, expected: str) -> None:
    document = plan(finetuning(hardware=hardware, overrides=overrides))
    gates = document.step(f"equivalence/{name}").gates
    assert {gate.because for gate in gates if gate.steps == (f"equivalence/{name}",)} == {
        f"the next cheaper way is to plan with `{expected}`"
    }


def test_where_no_other_form_fits_a_smaller_base_is_named() -> None:
    tight = {"constraints": {"max_serving_memory_gb": 6}, "overrides": {"quantization": "gptq"}}
    [because, *_] = [gate.because for gate in plan(finetuning(**tight)).step("equivalence/gptq").gates]
    assert because == "no other form fits: plan with a smaller base, or allow serving more memory"


def test_forms_that_are_asked_for_are_measured_beside_the_one_that_is_served() -> None:
    asked = {"variants": ["int8", "nf4", "gguf-8"], "quantization": "int8"}
    document = plan(finetuning(hardware="a100-80gb", overrides=asked))
    assert "compare/int8" not in [step.address for step in document.steps], "it is what is served"
    for name, method, bits in (("nf4", "nf4", 4), ("gguf-8", "gguf", 8)):
        made, step = document.step(f"compare/{name}"), document.step(f"equivalence/{name}")
        assert (made.params["method"], made.params["bits"]) == (method, bits)
        assert document.step(f"evaluate/{name}").inputs["model"].step == f"compare/{name}"
        assert (step.gates, document.step(f"evaluate/{name}").rung) == ((), None), "nothing hangs on it"
    assert document.outputs["model"] == "quantize/int8:model"
    plain = plan(finetuning(hardware="a100-80gb", overrides={"variants": ["nf4"]}))
    assert plain.outputs["model"] == "merge/sft:model"


@pytest.mark.parametrize(
    ("hardware", "variant", "rule"),
    [
        ("l4", "gguf-4", "EQV004"),
        ("m2-max", "int4", "EQV001"),
        ("m2-max", "nf4", "EQV002"),
        ("cpu-32gb", "awq", "EQV006"),
    ],
)
def test_a_form_that_nothing_here_can_make_is_refused_by_the_plan(hardware: str, variant: str, rule: str) -> None:
    head = {"objective": "classification-head"} if rule == "EQV004" else {}
    with pytest.raises(InputError, match=rule):
        plan(finetuning(hardware=hardware, overrides={"variants": [variant], **head}))


def test_a_quantized_base_is_held_against_the_first_rung_which_is_sure_to_run() -> None:
    document = plan(spec(constraints=SMALL_SERVING, data={"test": {"examples": 200}}))
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
    document = plan(spec(models=models, constraints=SMALL_SERVING, data={"test": {"examples": 200}}))
    assert answer(document, "quantization") == "none"
    with pytest.raises(InputError, match="QNT007"):
        plan(spec(models=models, data={"test": {"examples": 200}}, overrides={"quantization": "int8"}))


@pytest.mark.parametrize(("quantization", "before"), [("none", "evaluate/merged"), ("int8", "evaluate/int8")])
def test_a_smaller_cache_is_measured_on_what_is_served(quantization: str, before: str) -> None:
    small = {"models": [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]}
    document = plan(finetuning(**small, overrides={"kv_cache": "int8", "quantization": quantization}))
    step, held = document.step("evaluate/cache-int8"), document.step("equivalence/cache-int8")
    assert (step.params["kv_cache"], step.inputs["reference"].step) == ("int8", before)
    assert step.inputs["model"] == document.step(before).inputs["model"]
    assert (held.params["kv_cache"], held.inputs["reference"].step) == ("int8", "evaluate/sft")
    assert all("`overrides.kv_cache: 16-bit`" in gate.because for gate in held.gates)
    whole = {step.params["kv_cache"] for step in document.steps if step.executor == "evaluate"}
    assert whole == {"16-bit", "int8"}


def test_a_cache_in_four_bits_may_lose_more_and_eight_come_next() -> None:
    gates = plan(finetuning(overrides={"kv_cache": "int4"})).step("equivalence/cache-int4").gates
    assert [gate.test for gate in gates][:2] == ["<= 0.1", ">= 0.9"]
    assert all("`overrides.kv_cache: int8`" in gate.because for gate in gates)


def test_a_cache_that_slides_or_is_none_is_not_measured() -> None:
    for changed in ({"models": [{"id": "mistralai/Mistral-7B-v0.1"}]}, {"overrides": {"kv_cache": "16-bit"}}):
        asked = {"overrides": {"kv_cache": "int8"}} | changed
        assert not [step for step in plan(finetuning(**asked)).steps if "cache-" in step.address]


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
    document = plan(finetuning(constraints=SMALL_SERVING, data={"train": {"examples": 3000}}))
    assert "SVW130" in {finding.code for finding in document.warnings}
    assert "SVW130" not in {finding.code for finding in plan(finetuning(constraints=SMALL_SERVING)).warnings}


def test_the_memory_of_a_measurement_follows_the_bits_that_answer() -> None:
    document = plan(finetuning(constraints=SMALL_SERVING))
    memory = {
        name: document.step(f"evaluate/{name}").resources.device_memory.expected  # type: ignore[union-attr]
        for name in ("merged", "gptq")
    }
    assert memory["gptq"] < 0.6 * memory["merged"]


@pytest.mark.parametrize(
    ("family", "rope", "expected"),
    [
        ("gpt_neox", {}, True),
        ("llama", {}, False),
        ("llama", {"rope_type": "llama3", "factor": 8.0}, False),
        ("qwen2", {"type": "llama3", "factor": 8.0}, True),
        ("qwen2", {"rope_type": "yarn", "factor": 4.0}, False),
        ("llama", {"rope_type": "yarn", "factor": 4.0, "beta_fast": 16}, True),
        ("llama", {"rope_type": "dynamic", "factor": 2.0}, True),
    ],
)
def test_a_model_that_is_not_written_as_gguf_is_told_before_anything_runs(
    tmp_path: Path, family: str, rope: dict[str, Any], expected: bool
) -> None:
    shape = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}
    config = {"model_type": family, "vocab_size": 400, "max_position_embeddings": 512, "rope_scaling": rope, **shape}
    (tmp_path / "config.json").write_text(json.dumps(config))
    models = [{"id": family, "path": str(tmp_path), "params": 2_000_000}]
    document = plan(finetuning(models=models, overrides={"quantization": "gguf"}))
    assert ("SVW152" in {finding.code for finding in document.warnings}) == expected


def test_what_is_measured_after_training_is_not_what_a_finetune_is_held_against() -> None:
    small = {"models": [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}], "evaluation": {"metrics": ["label_accuracy"]}}
    document = plan(spec(**small, overrides={"quantization": "gptq"}))
    order = [step.address for step in document.steps]
    assert order.index("evaluate/merged") < order.index("evaluate/few-shot"), "screened rungs come after training"
    step, held = document.step("evaluate/gptq"), document.step("equivalence/gptq")
    assert (step.inputs["reference"].step, held.inputs["reference"].step) == ("evaluate/merged", "evaluate/sft")
    assert step.inputs["prompt"].step == "prompt/short"
    assert document.outputs == {
        "model": "quantize/gptq:model",
        "adapter": "train/sft:adapter",
        "prompt": "prompt/short:prompt",
    }


def test_answers_of_the_whole_base_are_no_answers_of_the_quantized_one() -> None:
    document = plan(spec(constraints=SMALL_SERVING, data={"test": {"examples": 200}}))
    assert "screened" in document.step("evaluate/zero-shot").inputs
    assert "screened" not in document.step("evaluate/int4").inputs


def test_a_form_in_fewer_bits_is_not_rounded_again_while_it_answers() -> None:
    asked = {"variants": ["int8"], "quantization": "gptq"}
    document = plan(finetuning(models=[{"id": "meta-llama/Llama-2-13b-hf"}], hardware=T4, overrides=asked))
    assert document.step("evaluate/sft").params["quantization"] == "nf4"
    assert document.step("evaluate/int8").params["quantization"] == "none"
