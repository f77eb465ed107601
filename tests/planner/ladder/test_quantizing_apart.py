"""Formats that libraries of other environments make: where they run, what they are fitted to, and who reads them."""

from __future__ import annotations

import pytest

from planner.documents import GPTQMODEL, LLM_COMPRESSOR, Environment, InputError
from planner.planning import plan
from tests.planner.specs import spec
from tests.planner.specs_after_training import SMALL_SERVING, answer, finetuning, quantized


def test_calibration_reads_training_data_and_never_the_test_data() -> None:
    step = quantized(plan(finetuning(constraints=SMALL_SERVING)))
    assert step.inputs["calibration"].pin == "data/train"
    assert (step.params["calibration_rows"], step.params["calibration_tokens"]) == (128, 2048)
    documents = {"documents": {"examples": 500}, "test": {"examples": 200}}
    assert (
        quantized(plan(spec(constraints=SMALL_SERVING, data=documents))).inputs["calibration"].pin == "data/documents"
    )


def test_a_form_of_another_environment_is_made_beside_what_is_served() -> None:
    document = plan(finetuning(hardware="a100-80gb", overrides={"variants": ["gptq", "fp8-dynamic"]}))
    for name, environment, calibrated in (("gptq", GPTQMODEL, True), ("fp8-dynamic", LLM_COMPRESSOR, False)):
        made = document.step(f"compare/{name}")
        assert (made.environment, "calibration" in made.inputs) == (environment, calibrated)
        assert document.step(f"reload/{name}").inputs["answers"].step == made.address
        assert document.step(f"evaluate/{name}").inputs["model"].step == made.address
        assert not document.step(f"equivalence/{name}").gates
    assert document.step("compare/gptq").inputs["calibration"].pin == "data/train"
    with pytest.raises(InputError, match="EQV005"):
        plan(spec(data={"test": {"examples": 200}}, hardware="h100", overrides={"variants": ["w8a8"]}))


@pytest.mark.parametrize(
    ("method", "environment", "bits", "group", "rows"),
    [
        ("gptq", GPTQMODEL, 4, 128, 128),
        ("w4a16", LLM_COMPRESSOR, 4, 128, 128),
        ("awq", LLM_COMPRESSOR, 4, 128, 128),
        ("w8a8", LLM_COMPRESSOR, 8, None, 128),
        ("fp8-dynamic", LLM_COMPRESSOR, 8, None, None),
        ("fp8-weight", LLM_COMPRESSOR, 8, None, None),
    ],
)
def test_a_library_that_excludes_others_runs_in_its_environment_and_the_result_is_read_outside(
    method: str, environment: Environment, bits: int, group: int | None, rows: int | None
) -> None:
    document = plan(finetuning(hardware="h100", overrides={"quantization": method}))
    step = quantized(document)
    assert (step.environment, step.params["bits"], step.params["group"]) == (environment, bits, group)
    assert step.params["calibration_rows"] == rows
    assert ("calibration" in step.inputs) == (rows is not None)
    assert rows is None or step.inputs["calibration"].pin == "data/train"
    again, measured = document.step(f"reload/{method}"), document.step(f"evaluate/{method}")
    assert again.environment is None
    assert {name: source.step for name, source in again.inputs.items()} == dict.fromkeys(
        ("model", "answers"), step.address
    )
    order = [each.address for each in document.steps]
    assert order.index(step.address) < order.index(again.address) < order.index(measured.address)
    assert "environment" in document.must_understand
    assert "environment" not in plan(finetuning(hardware="h100", overrides={"quantization": "int8"})).must_understand


def test_a_group_divides_the_inputs_of_every_layer() -> None:
    small = {"models": [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}], "overrides": {"quantization": "gptq"}}
    assert quantized(plan(finetuning(hardware="h100", **small))).params["group"] == 64, "576 inputs"


@pytest.mark.parametrize(
    ("hardware", "train", "latency", "expected"),
    [
        ("h100", 40, 0.7, "fp8-dynamic"),
        ("a100-80gb", 40, 0.7, "fp8-weight"),
        ("h100", 40, 1.5, "none"),
        ("h100", 40, 0.4, "none"),
    ],
)
def test_weights_that_are_read_too_slowly_take_a_byte_where_no_data_fit_four_bits(
    hardware: str, train: int, latency: float, expected: str
) -> None:
    data = {"train": {"examples": train}, "test": {"examples": 200}}
    least = {fact.name: fact.value for fact in plan(finetuning(hardware=hardware, data=data)).facts}["least_answer_ms"]
    limits = {"latency_ms": latency * float(str(least))}
    document = plan(finetuning(hardware=hardware, data=data, constraints=limits))
    assert answer(document, "quantization") == expected


def test_what_is_calibrated_needs_data_that_measure_nothing() -> None:
    test = {"test": {"examples": 200}}
    for method in ("w4a16", "w8a8"):
        with pytest.raises(InputError, match="QNT002"):
            plan(spec(data=test, hardware="h100", overrides={"quantization": method}))
    step = quantized(plan(spec(data=test, hardware="h100", overrides={"quantization": "fp8-dynamic"})))
    assert "calibration" not in step.inputs
