"""Memory and time of models that a merge made larger, and of models that are read again where they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from planner.memory import EstimateError, estimate_training, read_architecture, trainable_parameters, training_setting
from planner.planning import plan
from tests.planner.specs import spec

if TYPE_CHECKING:
    from planner.documents import Estimate, Plan

BASE = "meta-llama/Llama-3.1-8B-Instruct"
LLAMA = {
    "model_type": "llama", "hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 4, "vocab_size": 1000,
    "num_attention_heads": 4, "num_key_value_heads": 2,
}  # fmt: skip
MIXTRAL = LLAMA | {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2}


def merged(intent: str, count: int, gigabytes: float = 80) -> Plan:
    sources = [{"id": f"me/part-{at}" if count > 1 else BASE, "base": BASE} for at in range(count)]
    hardware = {"devices": [{"name": "Card", "memory_gb": gigabytes}]}
    return plan(spec(merge={"sources": sources, "intent": intent}, hardware=hardware))


def memory_of(document: Plan, address: str) -> Estimate:
    found = document.step(address).resources.device_memory
    assert found is not None
    return found


def test_a_stack_is_trained_and_measured_at_its_own_depth() -> None:
    stacked, alone = merged("upscale", 1), plan(spec(overrides={"approach": "finetune"}))
    assert stacked.decision("merge_layers").answer == 48  # type: ignore[union-attr]
    for address in ("train/sft", "evaluate/sft"):
        deeper, plain = memory_of(stacked, address), memory_of(alone, address)
        assert 1.25 < deeper.expected / plain.expected < 1.75, address
    longer, shorter = (document.step("train/sft").resources.time for document in (stacked, alone))
    assert longer is not None
    assert shorter is not None
    assert longer.expected > 1.2 * shorter.expected


def test_a_router_is_trained_beside_all_of_its_experts() -> None:
    document = merged("experts", 4, gigabytes=180)
    step = document.step("train/router")
    # Four times the feed-forward layers of eight billion parameters, two bytes each.
    assert memory_of(document, "train/router").low > 45e9
    assert memory_of(document, "evaluate/mixture").expected > 45e9
    assert step.params["method"] == "router"
    assert not [each for each in document.warnings if each.code == "BUDGET003"]


def test_a_training_that_no_device_holds_is_told() -> None:
    [told] = [each for each in merged("experts", 4, gigabytes=24).warnings if each.code == "BUDGET003"]
    assert told.message.startswith("train/router needs")
    assert "and Card has 24 GB" in told.message


def test_only_the_router_trains_and_a_dense_model_has_none() -> None:
    setting = training_setting(method="router", batch=2, sequence=128)
    mixture = read_architecture(MIXTRAL)
    assert trainable_parameters(mixture, setting) == 4 * 256 * 4
    router, full = (
        estimate_training(mixture, setting.model_copy(update={"method": method})).allocated_bytes.expected
        for method in ("router", "full")
    )
    assert 2 * mixture.parameters < router < full
    with pytest.raises(EstimateError, match="has no router"):
        estimate_training(read_architecture(LLAMA), setting)


def test_what_another_environment_wrote_is_read_again_in_few_bits_or_unpacked() -> None:
    changes: dict[str, Any] = {"approach": "finetune", "quantization": "gptq"}
    step = plan(spec(overrides=changes)).step("reload/gptq")
    memory, time = step.resources.device_memory, step.resources.time
    assert memory is not None
    assert time is not None
    # Eight billion weights in 4 bits, or unpacked into 16.
    assert 4e9 < memory.low < 8e9
    assert memory.high > 15e9
    assert 0 < time.low < time.expected < time.high
