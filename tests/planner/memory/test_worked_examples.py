"""The worked examples of the domain description, exact in bytes."""

from __future__ import annotations

import pytest

from planner.memory import EstimateError, TrainingSetting, read_architecture, rule_of_thumb, trainable_parameters

BILLION = 10**9
LLAMA_13B = {
    "model_type": "llama", "hidden_size": 5120, "intermediate_size": 13824, "num_hidden_layers": 40,
    "num_attention_heads": 40, "num_key_value_heads": 40, "vocab_size": 32000, "tie_word_embeddings": False,
}  # fmt: skip
GPT3 = {
    **LLAMA_13B, "hidden_size": 12288, "intermediate_size": 49152, "num_hidden_layers": 96,
    "num_attention_heads": 96, "num_key_value_heads": 96,
}  # fmt: skip
QKVO = ("q_proj", "k_proj", "v_proj", "o_proj")


def lora(targets: tuple[str, ...], rank: int) -> TrainingSetting:
    return TrainingSetting(method="lora", rank=rank, targets=targets)


def test_13b_in_two_bytes_is_26_gb_and_31_2_gb_to_serve() -> None:
    rule = rule_of_thumb(13 * BILLION)
    assert (rule.weights_bytes, rule.inference_bytes) == (26 * BILLION, 31_200_000_000)
    assert rule.inference_bytes > 24 * BILLION


def test_70b_in_two_bytes_is_140_gb() -> None:
    assert rule_of_thumb(70 * BILLION).weights_bytes == 140 * BILLION


@pytest.mark.parametrize(("dtype", "gigabytes"), [("fp32", 52), ("fp16", 26), ("int8", 13), ("int4", 6.5)])
def test_13b_by_format(dtype: str, gigabytes: float) -> None:
    assert rule_of_thumb(13 * BILLION, dtype=dtype).weights_bytes == gigabytes * BILLION


@pytest.mark.parametrize(("dtype", "gigabytes"), [("fp32", 40), ("fp16", 20)])
def test_10b_by_format(dtype: str, gigabytes: int) -> None:
    assert rule_of_thumb(10 * BILLION, dtype=dtype).weights_bytes == gigabytes * BILLION


def test_13b_full_with_adam_needs_78_gb_of_gradients_and_states_and_104_with_weights() -> None:
    rule = rule_of_thumb(13 * BILLION)
    assert rule.gradients_bytes + rule.states_bytes == 78 * BILLION
    assert rule.training_bytes == 104 * BILLION


def test_one_billion_trainable_with_adam_is_6_gb() -> None:
    rule = rule_of_thumb(13 * BILLION, trainable=BILLION)
    assert rule.gradients_bytes + rule.states_bytes == 6 * BILLION


def test_7b_full_in_fp16_with_adam_is_56_gb_before_activations() -> None:
    rule = rule_of_thumb(7 * BILLION, dtype="fp16")
    assert (rule.weights_bytes, rule.gradients_bytes + rule.states_bytes) == (14 * BILLION, 42 * BILLION)
    assert rule.training_bytes == 56 * BILLION


def test_lora_of_rank_2_on_gpt3_is_196608_a_layer() -> None:
    count = trainable_parameters(read_architecture(GPT3), lora(QKVO, 2))
    assert count == 18_874_368
    assert count // 96 == 196_608
    assert 2 * count == 37_748_736


def test_lora_of_rank_2_on_llama_2_13b_is_6_55_mb() -> None:
    count = trainable_parameters(read_architecture(LLAMA_13B), lora(QKVO, 2))
    assert count == 3_276_800
    assert 2 * count == 6_553_600


def test_query_and_key_alone_are_half_of_that() -> None:
    assert trainable_parameters(read_architecture(LLAMA_13B), lora(("q_proj", "k_proj"), 2)) == 1_638_400
    assert trainable_parameters(read_architecture(GPT3), lora(("q_proj", "k_proj"), 2)) == 9_437_184


def test_rank_8_on_a_4096_matrix_is_65536_and_100_adapters_beside_one_base_are_small() -> None:
    config = {
        **LLAMA_13B,
        "hidden_size": 4096,
        "num_hidden_layers": 1,
        "num_attention_heads": 32,
        "num_key_value_heads": 32,
    }
    pair = trainable_parameters(read_architecture(config), lora(("q_proj",), 8))
    assert pair == 65_536
    assert 100 * 4096 * 4096 == 1_677_721_600
    assert 4096 * 4096 + 100 * pair == 23_330_816


def test_rank_1_on_a_9_by_9_matrix_is_18_of_81() -> None:
    config = {**LLAMA_13B, "hidden_size": 9, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1}
    architecture = read_architecture(config)
    assert trainable_parameters(architecture, lora(("q_proj",), 1)) == 18
    assert next(m.weights for m, _ in architecture.matrices() if m.name == "q_proj") == 81


def test_qlora_of_65b_trains_on_one_48_gb_device() -> None:
    from planner.memory import estimate_training, largest_batch

    config = {**LLAMA_13B, "hidden_size": 8192, "intermediate_size": 22016, "num_hidden_layers": 80,
              "num_attention_heads": 64, "num_key_value_heads": 64, "max_position_embeddings": 2048}  # fmt: skip
    setting = TrainingSetting(method="qlora", rank=64, sequence=512, optimizer="paged-adamw-8bit")
    architecture = read_architecture(config)
    assert estimate_training(architecture, setting).fits(48e9)
    assert largest_batch(architecture, setting, 48e9) >= 1


def test_the_last_of_ten_equal_layers_is_a_tenth_of_them() -> None:
    config = {**LLAMA_13B, "num_hidden_layers": 10}
    architecture = read_architecture(config)
    count = trainable_parameters(architecture, TrainingSetting(method="partial", layers_trained=1))
    assert 10 * count == 10 * architecture.blocks[0].parameters
    assert count / (10 * architecture.blocks[0].parameters) == 0.1


@pytest.mark.parametrize("bad", [{"dtype": "bf17"}, {"optimizer": "adma"}, {"trainable": -1}])
def test_nonsense_is_refused(bad: dict[str, object]) -> None:
    with pytest.raises(EstimateError):
        rule_of_thumb(BILLION, **bad)  # type: ignore[arg-type]
