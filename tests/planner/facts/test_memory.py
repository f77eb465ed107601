"""Which share of a device each method needs: ordered as the methods are, and honest about what is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from planner.facts import Board, Unknown
from tests.planner.facts.boards import board, with_answers

LLAMA = "meta-llama/Llama-3.1-8B-Instruct"


def shares(name: str = "A100", memory_gb: float = 80, model: str = LLAMA, **more: Any) -> Board:
    hardware = {"devices": [{"name": name, "memory_gb": memory_gb}]}
    found = board(hardware=hardware, models=[{"id": model}], **more)
    return with_answers(found, base_model=model, method="lora", micro_batch=4, effective_batch=64)


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


def test_serving_is_measured_against_the_limit_of_the_spec() -> None:
    assert isinstance(shares().get("serving_ratio"), Unknown)
    found = shares(constraints={"max_serving_memory_gb": 4})
    assert 4 < found.get("serving_ratio") < 6


def test_without_memory_nothing_is_known_of_shares() -> None:
    found = shares("CPU", 0, "gpt2")
    for name in ("full_memory_share", "lora_memory_share", "least_training_share", "int4_memory_share"):
        assert found.get(name) == Unknown("the memory of the machine is not known")
