"""Bad models, settings and devices each get one sentence that names the field, and near names."""

from __future__ import annotations

from typing import Any

import pytest

from planner.memory import (
    EstimateError,
    TrainingSetting,
    architecture_of_size,
    estimate_quantization,
    estimate_training,
    inference_setting,
    largest_batch,
    read_architecture,
    training_setting,
)

GOOD: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2,
    "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 1000,
}  # fmt: skip


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"])
def test_a_missing_size_is_named(field: str) -> None:
    with pytest.raises(EstimateError) as caught:
        read_architecture({key: value for key, value in GOOD.items() if key != field})
    assert caught.value.field == field
    assert field in str(caught.value)


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"])
@pytest.mark.parametrize("value", [0, -1, 1.5, "many", True, 10**30, float("inf"), float("nan"), [], {}])
def test_nonsense_sizes_are_refused(field: str, value: object) -> None:
    with pytest.raises(EstimateError) as caught:
        read_architecture({**GOOD, field: value})
    assert caught.value.field == field


def test_heads_that_do_not_divide_are_refused() -> None:
    with pytest.raises(EstimateError, match="does not divide"):
        read_architecture({**GOOD, "num_attention_heads": 7})
    with pytest.raises(EstimateError, match="does not divide"):
        read_architecture({**GOOD, "num_key_value_heads": 3})


@pytest.mark.parametrize("config", [{}, {"model_type": 3}, {"model_type": "llama"}, {"a": object()}])
def test_what_is_no_config_is_refused(config: dict[str, Any]) -> None:
    with pytest.raises(EstimateError):
        read_architecture(config)


def test_an_unknown_method_gets_near_names() -> None:
    with pytest.raises(EstimateError) as caught:
        training_setting(method="qlroa")
    assert "qlora" in caught.value.near
    with pytest.raises(EstimateError) as caught:
        training_setting(rnk=4)
    assert "rank" in caught.value.near


@pytest.mark.parametrize(
    "fields", [{"batch": 0}, {"sequence": -5}, {"rank": 0}, {"dropout": 1.5}, {"optimizer": "adma"}]
)
def test_settings_out_of_range_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(EstimateError) as caught:
        training_setting(**fields)
    assert caught.value.field == next(iter(fields))
    with pytest.raises(EstimateError):
        inference_setting(dtype="int3")


def test_an_unknown_module_gets_near_names() -> None:
    with pytest.raises(EstimateError) as caught:
        estimate_training(read_architecture(GOOD), TrainingSetting(targets=("q_prj",)))
    assert caught.value.field == "targets"
    assert "q_proj" in caught.value.near
    with pytest.raises(EstimateError, match="lm_hed"):
        estimate_training(read_architecture(GOOD), TrainingSetting(modules_to_save=("lm_hed",)))


def test_bitfit_needs_biases_and_partial_needs_layers() -> None:
    with pytest.raises(EstimateError, match="biases"):
        estimate_training(read_architecture(GOOD), TrainingSetting(method="bitfit"))
    with pytest.raises(EstimateError, match="layers"):
        estimate_training(read_architecture(GOOD), TrainingSetting(method="partial", layers_trained=3))


@pytest.mark.parametrize("size", [0, -1, float("nan")])
def test_a_device_without_memory_is_refused(size: float) -> None:
    with pytest.raises(EstimateError, match="no memory"):
        largest_batch(read_architecture(GOOD), TrainingSetting(), size)


@pytest.mark.parametrize("size", [0, -7, 10**20, 1.5])
def test_absurd_parameter_counts_are_refused(size: Any) -> None:
    with pytest.raises(EstimateError):
        architecture_of_size(size)


def test_an_unknown_quantization_is_refused() -> None:
    with pytest.raises(EstimateError, match="gptk"):
        estimate_quantization(read_architecture(GOOD), method="gptk")


def test_an_unknown_architecture_is_said_to_be_unknown_and_gets_a_wide_interval() -> None:
    architecture = read_architecture({**GOOD, "model_type": "lama"})
    assert not architecture.known
    assert "llama" in architecture.missing[0]
    estimate = estimate_training(architecture, TrainingSetting())
    assert estimate.provenance == "guess"
    assert estimate.assumptions
    assert estimate.allocated_bytes.high / estimate.allocated_bytes.low > 1.5


def test_a_bare_parameter_count_works_with_a_wide_interval() -> None:
    architecture = architecture_of_size(7_000_000_000)
    assert architecture.parameters == 7_000_000_000
    for method in ("full", "lora", "qlora"):
        estimate = estimate_training(architecture, TrainingSetting(method=method))
        assert estimate.allocated_bytes.high / estimate.allocated_bytes.low > 1.5
