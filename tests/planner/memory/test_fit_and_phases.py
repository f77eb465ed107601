"""Fitting finds the largest size and the cheapest change; the other phases answer in order of size."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.memory import (
    InferenceSetting,
    TrainingSetting,
    cache_bytes,
    cheapest_fit,
    checkpoint_bytes,
    estimate_adapter_merge,
    estimate_inference,
    estimate_loading,
    estimate_merge,
    estimate_quantization,
    estimate_training,
    forward_flops,
    largest_batch,
    largest_sequence,
    read_architecture,
    run_bytes,
    step_flops,
    training_effort,
    ways_to_fit,
)
from planner.memory.fit import LARGEST_BATCH

LLAMA_13B: dict[str, Any] = {
    "model_type": "llama", "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40,
    "num_attention_heads": 40, "num_key_value_heads": 40, "vocab_size": 32000, "tie_word_embeddings": False,
    "max_position_embeddings": 4096,
}  # fmt: skip
LLAMA = read_architecture(LLAMA_13B)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(("lora", "qlora", "full")), st.integers(64, 4096), st.integers(10, 400), st.booleans())
def test_the_largest_batch_fits_and_the_next_does_not(
    method: str, length: int, gigabytes: int, checkpointing: bool
) -> None:
    setting = TrainingSetting(method=method, sequence=length, checkpointing=checkpointing)
    batch = largest_batch(LLAMA, setting, gigabytes * 1e9)

    def fits(size: int) -> bool:
        return estimate_training(LLAMA, setting.model_copy(update={"batch": size})).fits(gigabytes * 1e9)

    assert batch == 0 or fits(batch)
    assert batch == LARGEST_BATCH or not fits(batch + 1)


def test_the_longest_sequence_ends_at_the_models_positions() -> None:
    setting = TrainingSetting(method="qlora")
    assert largest_sequence(LLAMA, setting, 80e9) == 4096
    assert 0 < largest_sequence(LLAMA, setting, 14e9) < 4096
    assert largest_sequence(LLAMA, setting, 1e9) == 0


def test_changes_come_in_order_each_helps_and_the_last_fits() -> None:
    setting = TrainingSetting(method="full", batch=4, sequence=2048, checkpointing=False)
    path = ways_to_fit(LLAMA, setting, 24e9)
    assert path[0].name == "gradient checkpointing"
    assert path[-1].fits
    assert not any(change.fits for change in path[:-1])
    needs = [change.estimate.device_bytes.high for change in path]
    assert needs == sorted(needs, reverse=True)
    assert path[-1].setting.batch * path[-1].setting.accumulation == 4
    assert cheapest_fit(LLAMA, setting, 24e9) == path[-1]


def test_what_fits_needs_no_change() -> None:
    assert ways_to_fit(LLAMA, TrainingSetting(method="qlora"), 80e9) == []


def test_unsharded_gradients_are_what_fsdp_spreads() -> None:
    setting = TrainingSetting(method="full", sequence=2048)
    alone = estimate_training(LLAMA, setting).device_bytes.high
    eight = estimate_training(LLAMA, setting.model_copy(update={"sharding": "fsdp", "devices": 8})).device_bytes.high
    assert eight < alone / 3


def test_a_key_value_cache_of_llama_2_13b_is_its_keys_and_values() -> None:
    setting = InferenceSetting(batch=2, prompt=1000, generated=24)
    assert cache_bytes(LLAMA, setting) == 2 * 1024 * 40 * 2 * 5120 * 2


def test_grouped_windowed_and_latent_caches_are_smaller() -> None:
    setting = InferenceSetting(prompt=8192, generated=0)
    grouped = read_architecture({**LLAMA_13B, "num_key_value_heads": 8})
    assert cache_bytes(grouped, setting) == cache_bytes(LLAMA, setting) / 5
    windowed = read_architecture({**LLAMA_13B, "model_type": "mistral", "sliding_window": 1024})
    assert cache_bytes(windowed, setting) == cache_bytes(LLAMA, setting) / 8
    latent = read_architecture({**LLAMA_13B, "model_type": "deepseek_v3", "n_routed_experts": 4,
                                "moe_intermediate_size": 64, "n_shared_experts": 1})  # fmt: skip
    engine = setting.model_copy(update={"latent_cache": True})
    assert cache_bytes(latent, engine) == 8192 * 40 * (512 + 64) * 2
    assert cache_bytes(latent, engine) < cache_bytes(latent, setting)


def test_a_quantized_cache_and_adapters_are_counted() -> None:
    plain = estimate_inference(LLAMA, InferenceSetting()).allocated_bytes.expected
    assert estimate_inference(LLAMA, InferenceSetting(cache_dtype="int4")).allocated_bytes.expected < plain
    served = InferenceSetting(adapters=10, rank=8, targets=("q_proj", "v_proj"))
    more = estimate_inference(LLAMA, served).allocated_bytes.expected - plain
    assert more == 10 * 2 * 40 * 2 * 8 * 2 * 5120


def test_loading_to_the_device_spares_the_host() -> None:
    device, host = estimate_loading(LLAMA), estimate_loading(LLAMA, to_device=False)
    assert device.device_bytes.expected >= 2 * LLAMA.parameters
    assert host.device_bytes.expected == 0
    assert host.host_bytes.expected > 2 * LLAMA.parameters > device.host_bytes.expected
    small = estimate_loading(LLAMA, dtype="nf4")
    assert small.device_bytes.high < device.device_bytes.low


def test_merging_streams_and_merging_an_adapter_holds_the_base() -> None:
    streamed = estimate_merge(LLAMA, sources=3, method="ties")
    assert streamed.host_bytes.expected < 2 * LLAMA.parameters
    assert estimate_merge(LLAMA, sources=4, method="ties").host_bytes.expected > streamed.host_bytes.expected
    assert estimate_adapter_merge(LLAMA).host_bytes.expected > 2 * LLAMA.parameters


@pytest.mark.parametrize("method", ["gptq", "awq", "nf4", "int8", "gguf"])
def test_quantizing_leaves_less_on_disk_than_it_read(method: str) -> None:
    estimate = estimate_quantization(LLAMA, method=method)
    assert estimate.device_bytes.expected > 0
    assert estimate.host_bytes.low <= estimate.host_bytes.expected <= estimate.host_bytes.high


def test_checkpoints_of_adapters_are_small_and_of_full_training_large() -> None:
    lora = checkpoint_bytes(LLAMA, TrainingSetting(method="lora"))
    full = checkpoint_bytes(LLAMA, TrainingSetting(method="full"))
    assert 10 * lora.high < full.low
    assert 12 * LLAMA.parameters < full.expected < 13 * LLAMA.parameters
    assert run_bytes(LLAMA, TrainingSetting(method="lora")).expected > 2 * LLAMA.parameters


def test_work_is_two_operations_a_weight_forward_and_frozen_weights_spare_a_third() -> None:
    matrices = sum(linear.weights * count for linear, count in LLAMA.matrices())
    assert forward_flops(LLAMA, 1, 0) == 2 * matrices
    full = step_flops(LLAMA, TrainingSetting(method="full", checkpointing=False))
    lora = step_flops(LLAMA, TrainingSetting(method="lora", checkpointing=False))
    assert full.backward == pytest.approx(2 * full.forward)
    assert lora.total < 0.75 * full.total
    assert step_flops(LLAMA, TrainingSetting(method="lora")).recomputation > 0


def test_time_energy_and_cost_follow_from_rates_and_prices() -> None:
    effort = training_effort(
        LLAMA, TrainingSetting(method="lora"), tokens=1e6, device_flops=100e12, watts=300, price_per_hour=2.0
    )
    assert effort.seconds.low < effort.seconds.expected < effort.seconds.high
    assert effort.seconds.expected == pytest.approx(1e6 / effort.tokens_per_s.expected)
    assert effort.cost is not None
    assert effort.cost.expected == pytest.approx(2.0 * effort.device_hours.expected)
    assert training_effort(LLAMA, TrainingSetting(), tokens=1e6, device_flops=1e12).cost is None
