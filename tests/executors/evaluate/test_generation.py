from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.evaluate.batches import common_prefix, plan_batches
from executors.evaluate.generation import Generation, generate

if TYPE_CHECKING:
    from pathlib import Path


@given(st.lists(st.integers(1, 50), max_size=40), st.integers(1, 8))
def test_batches_hold_every_prompt_once_the_longest_first(lengths: list[int], size: int) -> None:
    batches = plan_batches(lengths, size)
    flat = [index for batch in batches for index in batch]
    assert sorted(flat) == list(range(len(lengths)))
    assert [lengths[index] for index in flat] == sorted(lengths, reverse=True)
    assert all(len(batch) <= size for batch in batches)


@given(st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=8), min_size=2, max_size=6))
def test_the_prefix_is_common_and_leaves_each_prompt_a_token(prompts: list[list[int]]) -> None:
    length = common_prefix(prompts)
    assert len({tuple(prompt[:length]) for prompt in prompts}) == 1
    assert all(len(prompt) > length for prompt in prompts)
    more = length + 1
    assert any(len(prompt) <= more for prompt in prompts) or len({tuple(prompt[:more]) for prompt in prompts}) > 1


def test_one_prompt_shares_nothing() -> None:
    assert common_prefix([[1, 2, 3]]) == 0


def _plain(model: Any, prompt: list[int], how: Generation) -> list[int]:
    import torch

    out = model.generate(
        input_ids=torch.tensor([prompt]),
        attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
        max_new_tokens=how.max_new_tokens,
        do_sample=False,
        eos_token_id=sorted(how.stop_ids),
        pad_token_id=how.pad_id,
    )[0, len(prompt) :].tolist()
    return [token for token in out if token not in how.stop_ids]


def _prompts(shared: int) -> list[list[int]]:
    """Prompts of 1 to 11 tokens of their own after `shared` common ones."""
    return [
        list(range(10, 10 + shared)) + [20 + (number * 7 + at * 13) % 200 for at in range(number % 11 + 1)]
        for number in range(23)
    ]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("shared", [0, 40])
@pytest.mark.parametrize("adapted", [False, True])
def test_answers_equal_plain_generation_in_fp32(tiny_model: Path, shared: int, adapted: bool) -> None:
    import torch

    from executors.models import load_model

    model = load_model(tiny_model, "fp32", device="cpu")
    torch.manual_seed(1)
    # Small random weights repeat one token for ever; large ones wander.
    for weight in model.model.layers.parameters():
        weight.data = torch.randn_like(weight) * 0.3
    if adapted:
        from peft import LoraConfig, get_peft_model

        settings = LoraConfig(r=4, target_modules="all-linear", init_lora_weights=False, task_type="CAUSAL_LM")
        model = get_peft_model(model, settings).eval()
    prompts = _prompts(shared)
    # Stop tokens that a random model really produces, so that rows finish at different times.
    free = Generation(max_new_tokens=24, batch_size=8, stop_ids=frozenset(), pad_id=0)
    seen = [_plain(model, prompt, free) for prompt in prompts]
    stops = frozenset(answer[number % 20] for number, answer in enumerate(seen[::4]))
    how = Generation(max_new_tokens=24, batch_size=8, stop_ids=stops, pad_id=0)
    answers: dict[int, list[int]] = {}
    for batch in generate(model, prompts, how):
        answers |= batch
    expected = [_plain(model, prompt, how) for prompt in prompts]
    assert [answers[index] for index in range(len(prompts))] == expected
    assert len({len(answer) for answer in expected}) > 2


def _wandering(kind: str) -> Any:
    """A random model of a kind, whose answers vary."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    special: dict[str, dict[str, Any]] = {
        "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3},
        "gpt_neox": {**sizes, "initializer_range": 0.3},
        "mistral": {**sizes, "num_key_value_heads": 2, "sliding_window": 16},
        "qwen3": {**sizes, "num_key_value_heads": 2, "head_dim": 8, "initializer_range": 0.3},
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, vocab_size=300, bos_token_id=1, eos_token_id=299, **special[kind])
    return AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["gpt2", "gpt_neox", "mistral", "qwen3"])
@pytest.mark.parametrize("shared", [0, 40])
def test_any_architecture_answers_as_plain_generation(kind: str, shared: int) -> None:
    model = _wandering(kind)
    how = Generation(max_new_tokens=12, batch_size=8, stop_ids=frozenset({299}), pad_id=0)
    answers: dict[int, list[int]] = {}
    prompts = _prompts(shared)
    for batch in generate(model, prompts, how):
        answers |= batch
    assert [answers[index] for index in range(len(prompts))] == [_plain(model, prompt, how) for prompt in prompts]


@pytest.mark.slow
def test_prompts_that_are_done_are_left_out(tiny_model: Path) -> None:
    from executors.models import load_model

    model = load_model(tiny_model, "fp32", device="cpu")
    how = Generation(max_new_tokens=4, batch_size=8, stop_ids=frozenset(), pad_id=0)
    made = [index for batch in generate(model, _prompts(5), how, done=set(range(20))) for index in batch]
    assert sorted(made) == [20, 21, 22]
    assert list(generate(model, _prompts(5), how, done=set(range(23)))) == []
