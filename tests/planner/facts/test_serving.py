"""Memory of serving in each precision, storage for many tenants, and the least time of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from planner.facts import Unknown
from planner.facts.model import of_size
from planner.facts.serving import merged_copies_bytes, shared_base_bytes
from tests.planner.facts.boards import board, with_answers
from tests.planner.specs_after_training import LLAMA

GPU = {"devices": [{"name": "A100", "memory_gb": 80}]}


def served(**changes: Any) -> Any:
    """The board of a plan that serves the base with a prompt."""
    found = board(**changes)
    models = changes.get("models", [{"id": LLAMA}])
    answers = {"base_model": models[0]["id"], "merge": "none", "rungs": ["prompt"], "rank": 16, "method": "lora"}
    return with_answers(found, approach="prompt", **answers)


def test_a_hundred_adapters_of_a_matrix_take_seventy_times_less_than_merged_copies() -> None:
    matrix, adapter = 4096 * 4096, 8 * (4096 + 4096)
    merged, shared = merged_copies_bytes(matrix, 100), shared_base_bytes(matrix, adapter, 100)
    assert (merged, shared) == (1_677_721_600, 23_330_816)
    assert merged / shared > 70


def test_fewer_bits_need_less_memory() -> None:
    found = served(constraints={"max_serving_memory_gb": 10})
    shares = [found.get(f"serving_share_{bits}bit") for bits in (16, 8)] + [found.get("least_serving_share")]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 1.6, "16 GB of weights in 10 GB"
    assert shares[2] < 0.7


def test_the_limit_of_the_spec_goes_before_the_machine_at_hand() -> None:
    assert served(hardware=GPU).get("serving_memory_bytes") > 79e9
    assert served(hardware=GPU, constraints={"max_serving_memory_gb": 4}).get("serving_memory_bytes") == 4e9
    two = {"devices": [{"name": "A100", "memory_gb": 80, "count": 2}]}
    assert served(hardware=two).get("serving_memory_bytes") == 2 * served(hardware=GPU).get("serving_memory_bytes")


def test_the_machine_that_trains_is_not_the_device_that_serves() -> None:
    found = served(hardware=GPU, constraints={"deployment": "device"})
    assert found.get("serving_kind") == "device"
    assert isinstance(found.get("serving_memory_bytes"), Unknown)
    assert isinstance(found.get("least_answer_ms"), Unknown)
    assert served(hardware=GPU, constraints={"deployment": "cloud"}).get("serving_kind") == "cuda"


def test_longer_inputs_take_more_cache_and_never_more_than_the_context() -> None:
    short, long = served(task__max_input_tokens=1000), served(task__max_input_tokens=100_000)
    assert short.get("cache_share") < long.get("cache_share")
    assert served(task__max_input_tokens=10**6).get("serving_tokens") == 131072


def test_adapters_of_tenants_lie_beside_the_base_only_so_many_at_a_time() -> None:
    found = served(task__tenants=100)
    assert found.get("resident_adapters") == 0, "no rung trains one"
    assert with_answers(served(task__tenants=100), rungs=["finetune"]).get("resident_adapters") == 8
    assert with_answers(served(task__tenants=3), rungs=["finetune"]).get("resident_adapters") == 3
    assert with_answers(served(), rungs=["finetune"]).get("resident_adapters") == 0


def test_a_model_known_by_its_size_alone_is_not_judged_by_the_wide_end_of_a_guess() -> None:
    three = [{"id": "house", "params": 3_000_000_000}]
    found = served(models=three, constraints={"max_serving_memory_gb": 4, "deployment": "device"})
    assert found.get("least_serving_share") < found.get("serving_share_8bit") < 1


def test_an_answer_cannot_be_faster_than_the_weights_are_read() -> None:
    found = served(hardware=GPU, constraints={"latency_ms": 10}, task__output={"format": "text"})
    per_token = 16.06e9 / 2039e9 * 1e3
    assert found.get("least_answer_ms") == pytest.approx(32 * per_token, rel=0.02)
    assert found.get("latency_ratio") == pytest.approx(found.get("least_answer_ms") / 10)
    labels = served(hardware=GPU, constraints={"latency_ms": 10})
    assert labels.get("least_answer_ms") < found.get("least_answer_ms"), "a label is short"


def test_quantized_files_of_a_base_are_known() -> None:
    assert served(models=[{"id": "q", "params": 10**9, "dtype": "int4"}]).get("base_quantized") is True
    assert served().get("base_quantized") is False


def test_nothing_is_calibrated_on_what_is_measured_on() -> None:
    assert served(data={"test": {"examples": 900}}).get("calibration_rows") == 0
    assert served(data={"train": {"examples": 7}, "documents": {"examples": 50}}).get("calibration_rows") == 7
    assert served(data={"documents": {"examples": 50}}).get("calibration_rows") == 50


def host(**answers: Any) -> Any:
    changes = {"hardware": GPU | {"host_memory_gb": 64}, "models": [{"id": "meta-llama/Llama-2-13b-hf"}]}
    return with_answers(served(**changes), merge_into="none", quantization="none", **answers)


def test_an_adapter_is_added_to_its_whole_base_in_fp32() -> None:
    found = with_answers(host(), merge_into="half-precision")
    assert 52e9 < found.get("merge_host_bytes") < 62e9
    assert found.get("merge_host_share") == pytest.approx(found.get("merge_host_bytes") / 64e9)
    assert isinstance(host().get("merge_host_bytes"), Unknown)


def test_methods_that_calibrate_hold_the_model_on_the_host_and_others_a_piece() -> None:
    calibrated = with_answers(host(), quantization="gptq").get("quantize_host_bytes")
    rounded = with_answers(host(), quantization="int8").get("quantize_host_bytes")
    assert rounded < 10e9
    assert calibrated > 26e9


def test_a_size_that_no_model_has_is_unknown_and_a_count_that_differs_a_little_is_no_merge() -> None:
    assert isinstance(of_size(5000), Unknown)
    reference = {"id": LLAMA, "params": 8_030_261_000}
    assert served(models=[reference]).get("serving_share_16bit") == served().get("serving_share_16bit")
