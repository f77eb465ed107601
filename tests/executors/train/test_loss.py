from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

ROWS = [
    {"input_ids": [5, 6, 7, 8, 9], "labels": [-100, -100, 7, 8, 9], "segments": [5]},
    {"input_ids": [11, 12, 13], "labels": [-100, 12, 13], "segments": [3]},
]


def by_hand(logits: Any, weight: float) -> Any:
    """Cross entropy token by token, as the definition says."""
    total, weights = 0.0, 0.0
    for number, row in enumerate(ROWS):
        for position in range(len(row["input_ids"]) - 1):
            token = row["input_ids"][position + 1]
            share = 1.0 if row["labels"][position + 1] == token else weight
            total = total - share * logits[number, position].log_softmax(0)[token]
            weights += share
    return total / weights


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_loss_and_gradient_equal_the_weighted_mean_by_hand(
    tiny_model: Path, weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from executors.models import load_model
    from executors.train import loss

    # Two tokens a piece, so that there are several.
    monkeypatch.setattr(loss, "CHUNK_LOGITS", 800)
    model = load_model(tiny_model, "fp32", device="cpu")
    batch = loss.collate(ROWS, weight, pad_id=0)
    assert len(batch["targets"]) == (5 if weight == 0 else 6)
    assert batch["tokens"] == 8

    logits = loss.HeadRows(model).logits(model, batch["ids"], batch["kept"])
    assert len(logits) == len(batch["targets"])
    ours = loss.weighted_loss(logits, batch["targets"], batch["weights"]) / batch["weights"].sum()
    ours.backward()
    name, matrix = next((name, matrix) for name, matrix in model.named_parameters() if "q_proj" in name)
    gradient = matrix.grad.clone()
    model.zero_grad()

    ids, mask = torch.zeros(2, 5, dtype=torch.long), torch.zeros(2, 5, dtype=torch.long)
    for number, row in enumerate(ROWS):
        ids[number, : len(row["input_ids"])] = torch.tensor(row["input_ids"])
        mask[number, : len(row["input_ids"])] = 1
    expected = by_hand(model(input_ids=ids, attention_mask=mask).logits, weight)
    expected.backward()
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(gradient, dict(model.named_parameters())[name].grad)


def test_the_head_computes_everything_when_nothing_was_chosen(tiny_model: Path) -> None:
    import torch

    from executors.models import load_model
    from executors.train.loss import HeadRows

    model = load_model(tiny_model, "fp32", device="cpu")
    HeadRows(model)
    assert model(input_ids=torch.tensor([[1, 2, 3]])).logits.shape[:2] == (1, 3)
