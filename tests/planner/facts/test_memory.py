"""Which share of a device each method needs: ordered as the methods are, and honest about what is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from planner.facts import Board, Unknown
from tests.planner.facts.boards import board, with_answers

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"
PLAIN: dict[str, Any] = {
    "method": "lora",
    "objective": "sft",
    "precision": "bf16",
    "base_quantization": "none",
    "distribution": "single",
    "offload": "none",
    "optimizer": "adamw",
    "rank": 16,
    "micro_batch": 4,
    "effective_batch": 64,
    "max_length": 100_000,
    "attention": "sdpa",
    "share_prefix": True,
    "rungs": ["finetune"],
    "passages": 3,
    "chunk_tokens": 256,
}


def shares(name: str = "A100", memory_gb: float = 80, model: str = LLAMA, **more: Any) -> Board:
    hardware = {"devices": [{"name": name, "memory_gb": memory_gb}]}
    found = board(hardware=hardware, models=[{"id": model}], **more)
    return with_answers(found, base_model=model, **PLAIN)


def test_full_finetuning_needs_most_and_a_four_bit_base_least() -> None:
    found = shares()
    full, lora, qlora = (found.get(f"{method}_memory_share") for method in ("full", "lora", "qlora"))
    assert full > 1 > lora > qlora > 0
    assert found.get("least_training_share") == qlora


def test_the_share_falls_as_the_device_grows() -> None:
    names = ("lora_memory_share", "inference_memory_share", "int4_memory_share", "plain_memory_share")
    for name in names:
        assert shares().get(name) < shares("L4", 24).get(name)


def test_answering_needs_less_in_four_bits_than_in_sixteen() -> None:
    found = shares()
    assert found.get("int4_memory_share") < found.get("inference_memory_share") < found.get("lora_memory_share")


@pytest.mark.parametrize("memory_gb", [24, 48, 80])
def test_the_largest_micro_batch_is_a_power_of_two_up_to_the_effective_batch(memory_gb: float) -> None:
    batch = shares("Card", memory_gb).get("largest_micro_batch")
    assert batch & (batch - 1) == 0
    assert 1 <= batch <= 64


def test_a_larger_device_takes_no_smaller_micro_batch() -> None:
    sizes = [shares("Card", memory_gb).get("largest_micro_batch") for memory_gb in (20, 24, 32, 48, 80, 192)]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_without_memory_nothing_is_known_of_shares() -> None:
    found = shares("CPU", 0, "gpt2")
    for name in ("full_memory_share", "lora_memory_share", "least_training_share", "int4_memory_share"):
        assert found.get(name) == Unknown("the memory of the machine is not known")


def answered(name: str = "A100", memory_gb: float = 80, count: int = 1, nodes: int = 1, **answers: Any) -> Board:
    """A board of devices, the plain answers replaced by some others; models and hosts go by their own names."""
    more = {key: answers.pop(key) for key in ("models", "data__train") if key in answers}
    host = answers.pop("host_memory_gb", None)
    hardware = {"devices": [{"name": name, "memory_gb": memory_gb, "count": count}], "nodes": nodes}
    found = board(hardware=hardware | ({"host_memory_gb": host} if host else {}), **more)
    return with_answers(found, **{"base_model": LLAMA} | PLAIN | answers)


@pytest.mark.parametrize("method", ["full", "lora", "qlora"])
def test_devices_that_share_a_model_each_need_less(method: str) -> None:
    one, two, eight = (answered(count=count).get(f"{method}_sharded_share") for count in (1, 2, 8))
    assert one >= two >= eight > 0
    assert method == "qlora" or one > eight, "two layers and the embeddings are gathered whole"
    assert one == answered().get(f"{method}_memory_share")


def test_the_host_helps_only_when_its_memory_is_known_and_enough() -> None:
    model = "meta-llama/Llama-3.1-70B-Instruct"
    told: dict[str, Any] = {"models": [{"id": model}], "base_model": model}
    assert isinstance(answered(**told).get("lora_offload_share"), Unknown)
    assert answered(host_memory_gb=512, **told).get("lora_offload_share") < 1
    assert answered(host_memory_gb=64, **told).get("lora_offload_share") > 1
    assert answered(**told).get("least_training_share") == answered(**told).get("qlora_sharded_share")


def test_galore_needs_less_than_training_every_weight_with_its_states() -> None:
    found = answered()
    assert found.get("galore_memory_share") < found.get("full_memory_share")
    assert found.get("lora_memory_share") < found.get("galore_memory_share")


def test_single_precision_takes_more_than_half() -> None:
    assert answered(precision="fp32").get("lora_memory_share") > 1.5 * answered().get("lora_memory_share")


def test_comparisons_of_a_whole_model_keep_a_second_one() -> None:
    found = answered(objective="preference")
    assert found.get("full_memory_share") > answered().get("full_memory_share")
    assert found.get("lora_memory_share") > answered().get("lora_memory_share")


def test_the_chosen_method_needs_what_its_own_fact_says() -> None:
    found = answered()
    assert found.get("method_memory_share") == found.get("lora_memory_share")
    four_bits = answered(method="qlora", base_quantization="nf4")
    assert four_bits.get("method_memory_share") == four_bits.get("qlora_memory_share")
    eight_bits = answered(method="qlora", base_quantization="int8")
    assert four_bits.get("method_memory_share") < eight_bits.get("method_memory_share") < found.get("lora_memory_share")


def test_sharing_out_states_saves_less_than_sharing_out_weights_too() -> None:
    found = answered(count=8, method="full")
    shares = [found.get(name) for name in ("method_sharded_share", "method_zero2_share", "method_memory_share")]
    assert shares == sorted(shares)
    assert found.get("method_thrifty_share") < found.get("method_memory_share")


def test_rows_at_once_are_a_device_s_part_of_the_effective_batch() -> None:
    spread = answered(count=8, distribution="ddp")
    assert spread.get("data_parallel") == 8
    assert spread.get("largest_micro_batch") <= 64 // 8
    assert answered(count=8).get("data_parallel") == 1


def test_adapters_on_queries_and_values_need_less_than_on_every_layer() -> None:
    found = answered()
    assert found.get("query_value_share") < found.get("all_linear_share")
    assert isinstance(answered(method="full").get("all_linear_share"), Unknown)


def test_every_method_has_a_share() -> None:
    from planner.rules import core_book

    for method in core_book().decisions["method"].answers:
        found = answered(method=method, models=[{"id": "openai-community/gpt2"}], base_model="openai-community/gpt2")
        assert 0 < found.get("method_memory_share") < 1, method


def test_longlora_counts_the_embeddings_that_it_trains_whole() -> None:
    more = answered(method="longlora").get("method_memory_share") - answered().get("method_memory_share")
    # A copy in fp32, its gradient and two states of AdamW, for 128,256 rows of 4,096 values.
    assert more * 80e9 == pytest.approx(16 * 128_256 * 4_096, rel=0.35)
