"""Generation with adapters that peft trains, held against peft's own greedy search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing")]

PROMPTS = [[5, 6, 7, 8, 9, 10, 11], [5, 6, 7, 40, 41], [5, 6, 7, 60], [5, 6, 7, 70, 71, 72]]


def adapted(folder: Path, kind: str) -> Any:
    """The tiny model with an adapter of a kind, far from no effect."""
    import torch
    from peft import IA3Config, LoraConfig, PrefixTuningConfig, PromptEncoderConfig, PromptTuningConfig, get_peft_model

    from executors.models import load_model

    shared: dict[str, Any] = {"task_type": "CAUSAL_LM"}
    configs = {
        "prompt-tuning": PromptTuningConfig(num_virtual_tokens=6, **shared),
        "p-tuning": PromptEncoderConfig(num_virtual_tokens=6, encoder_hidden_size=64, **shared),
        "prefix-tuning": PrefixTuningConfig(num_virtual_tokens=6, **shared),
        "ia3": IA3Config(**shared),
        "dora": LoraConfig(r=4, use_dora=True, target_modules="all-linear", **shared),
    }
    torch.manual_seed(3)
    model = get_peft_model(load_model(folder, "fp32", device="cpu"), configs[kind])
    with torch.no_grad():
        for weight in model.parameters():
            if weight.requires_grad:
                weight.add_(torch.randn_like(weight) * 0.5)
    return model.eval()


@pytest.mark.parametrize("kind", ["prompt-tuning", "p-tuning", "prefix-tuning", "ia3", "dora"])
@pytest.mark.parametrize("prompts", [PROMPTS, [[5, 6, 7], [60, 61], [80, 81, 82, 83]]], ids=["prefix", "no prefix"])
def test_answers_are_those_of_peft(tiny_model: Path, kind: str, prompts: list[list[int]]) -> None:
    import torch

    from executors.evaluate.generation import Generation, generate

    model = adapted(tiny_model, kind)
    how = Generation(max_new_tokens=12, batch_size=2, stop_ids=frozenset({-1}), pad_id=0)
    found = {index: ids for batch in generate(model, prompts, how) for index, ids in batch.items()}
    for index, prompt in enumerate(prompts):
        expected = prompt
        for _ in range(12):
            with torch.no_grad():
                said = model(input_ids=torch.tensor([expected])).logits[0, -1]
            expected = [*expected, int(said.argmax())]
        assert found[index] == expected[len(prompt) :]


@pytest.mark.parametrize("kind", ["prompt-tuning", "prefix-tuning"])
def test_surprise_is_read_where_the_tokens_are(tiny_model: Path, kind: str) -> None:
    import torch

    from executors.evaluate.perplexity import Piece, _nll

    model = adapted(tiny_model, kind)
    ids = [5, 6, 7, 8, 9]
    with torch.no_grad():
        (found, _) = _nll(model, [Piece(0, ids, 2), Piece(1, ids[:3], 1)], 0)
        said = model(input_ids=torch.tensor([ids])).logits[0, -5:].log_softmax(-1)
    assert found == pytest.approx(-sum(float(said[at - 1, ids[at]]) for at in (2, 3, 4)), rel=1e-5)
