"""What must hold for every model and setting: more of anything never needs less, sharding never needs more."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from planner.memory import (
    InferenceSetting,
    TrainingSetting,
    estimate_inference,
    estimate_training,
    read_architecture,
    step_flops,
)

KINDS = ("llama", "qwen3", "gemma2", "phi3", "gpt_neox", "mixtral", "qwen3_moe")
METHODS = ("full", "lora", "qlora", "dora", "ia3", "prompt-tuning", "prefix-tuning", "adapter", "partial", "galore")


def config(kind: str, layers: int = 4, hidden: int = 256) -> dict[str, Any]:
    return {
        "model_type": kind, "hidden_size": hidden, "intermediate_size": 3 * hidden, "num_hidden_layers": layers,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "vocab_size": 5000, "num_experts": 4,
        "num_local_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 128,
    }  # fmt: skip


def peak(kind: str, setting: TrainingSetting, layers: int = 4, hidden: int = 256) -> float:
    return estimate_training(read_architecture(config(kind, layers, hidden)), setting).allocated_bytes.expected


kinds = st.sampled_from(KINDS)
training = st.builds(
    TrainingSetting,
    method=st.sampled_from(METHODS),
    rank=st.integers(1, 64),
    precision=st.sampled_from(("amp", "bf16", "fp32")),
    optimizer=st.sampled_from(("adamw", "adamw-foreach", "adamw-8bit", "adafactor", "muon", "sgd")),
    checkpointing=st.booleans(),
    attention=st.sampled_from(("sdpa", "eager", "flash")),
    loss=st.sampled_from(("full", "fused")),
    padding_mask=st.booleans(),
    batch=st.integers(1, 64),
    sequence=st.integers(16, 8192),
    accumulation=st.sampled_from((1, 4)),
)


@settings(max_examples=80, deadline=None)
@given(kinds, training)
def test_more_sequences_never_need_less(kind: str, setting: TrainingSetting) -> None:
    assert peak(kind, setting) <= peak(kind, setting.model_copy(update={"batch": setting.batch + 1}))


@settings(max_examples=80, deadline=None)
@given(kinds, training, st.integers(1, 4096))
def test_longer_sequences_never_need_less(kind: str, setting: TrainingSetting, more: int) -> None:
    assert peak(kind, setting) <= peak(kind, setting.model_copy(update={"sequence": setting.sequence + more}))


@settings(max_examples=60, deadline=None)
@given(kinds, training)
def test_a_higher_rank_never_needs_less(kind: str, setting: TrainingSetting) -> None:
    assert peak(kind, setting) <= peak(kind, setting.model_copy(update={"rank": 2 * setting.rank})) * 1.0001


@settings(max_examples=60, deadline=None)
@given(kinds, training)
def test_more_layers_never_need_less(kind: str, setting: TrainingSetting) -> None:
    assert peak(kind, setting) <= peak(kind, setting, layers=8)


@settings(max_examples=60, deadline=None)
@given(kinds, training)
def test_a_wider_model_never_needs_less(kind: str, setting: TrainingSetting) -> None:
    assert peak(kind, setting) <= peak(kind, setting, hidden=512)


@settings(max_examples=80, deadline=None)
@given(kinds, training, st.sampled_from((2, 4, 8, 64)))
def test_more_sharding_never_needs_more(kind: str, setting: TrainingSetting, devices: int) -> None:
    def sharded(how: str, count: int) -> float:
        return peak(kind, setting.model_copy(update={"sharding": how, "devices": count}))

    stages = [sharded(how, devices) for how in ("ddp", "zero-1", "zero-2", "zero-3")]
    assert stages == sorted(stages, reverse=True)
    for how in ("zero-1", "zero-2", "zero-3", "fsdp", "tensor-parallel"):
        assert sharded(how, 2 * devices) <= sharded(how, devices) <= peak(kind, setting)


@settings(max_examples=60, deadline=None)
@given(kinds, training)
def test_items_add_up_to_what_the_device_needs(kind: str, setting: TrainingSetting) -> None:
    estimate = estimate_training(read_architecture(config(kind)), setting)
    assert abs(sum(estimate.items.values()) - estimate.device_bytes.expected) <= 16
    assert estimate.allocated_bytes.low <= estimate.allocated_bytes.expected <= estimate.allocated_bytes.high
    assert estimate.reserved_bytes.high <= estimate.device_bytes.high


@settings(max_examples=60, deadline=None)
@given(kinds, training)
def test_checkpointing_trades_work_for_memory(kind: str, setting: TrainingSetting) -> None:
    architecture = read_architecture(config(kind))
    on = step_flops(architecture, setting.model_copy(update={"checkpointing": True})).total
    assert on >= step_flops(architecture, setting.model_copy(update={"checkpointing": False})).total


@settings(max_examples=60, deadline=None)
@given(kinds, st.integers(1, 64), st.integers(1, 4096), st.integers(0, 4096))
def test_generation_grows_with_batch_and_length(kind: str, batch: int, prompt: int, generated: int) -> None:
    def need(**fields: Any) -> float:
        base = {"batch": batch, "prompt": prompt, "generated": generated}
        setting = InferenceSetting(**{**base, **fields})
        return estimate_inference(read_architecture(config(kind)), setting).allocated_bytes.expected

    assert need() <= need(batch=batch + 1)
    assert need() <= need(prompt=prompt + 100)
    assert need() <= need(generated=generated + 100)
    assert need(dtype="nf4") <= need(dtype="int8") <= need(dtype="bf16") <= need(dtype="fp32")


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 32), st.integers(64, 2048), st.sampled_from(("sdpa", "eager")), st.booleans(), st.data())
def test_the_more_rows_share_the_less_they_need(
    batch: int, sequence: int, attention: str, checkpointing: bool, data: st.DataObject
) -> None:
    few, many = sorted(data.draw(st.lists(st.integers(1, sequence - 1), min_size=2, max_size=2)))
    fields: dict[str, Any] = {"batch": batch, "sequence": sequence, "attention": attention, "trainer": "adapt"}
    needed = [
        peak("llama", TrainingSetting(**fields, checkpointing=checkpointing, shared=shared)) for shared in (few, many)
    ]
    assert needed[1] <= needed[0]
    if attention == "eager":
        assert needed[0] <= peak("llama", TrainingSetting(**fields, checkpointing=checkpointing))
