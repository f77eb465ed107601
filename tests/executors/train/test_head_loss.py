"""The loss in pieces is the loss over all logits, with its gradients; other heads do their own work."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch

from executors.models import load_model
from executors.train import head_loss
from executors.train.head_loss import HeadLoss
from executors.train.loss import collate

if TYPE_CHECKING:
    from pathlib import Path

ROWS: list[dict[str, Any]] = [
    {"input_ids": list(range(3, 40)), "labels": [-100] * 5 + list(range(8, 40)), "segments": [37]},
    {"input_ids": list(range(60, 80)), "labels": [-100] * 2 + list(range(62, 80)), "segments": [20]},
]


def loss_and_gradients(model: Any, *, in_pieces: bool) -> tuple[float, dict[str, torch.Tensor]]:
    head = HeadLoss(model)
    head._in_pieces = in_pieces
    model.zero_grad()
    loss = head.loss(model, collate(ROWS, 0.1, 0)) / 7
    loss.backward()
    return loss.item(), {name: at.grad.clone() for name, at in model.named_parameters() if at.grad is not None}


@pytest.mark.parametrize("tokens_at_once", [1, 7, 1000])
def test_pieces_add_up_to_the_whole(tiny_model: Path, tokens_at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(tiny_model, "fp32", device="cpu")
    expected, gradients = loss_and_gradients(model, in_pieces=False)
    monkeypatch.setattr(head_loss, "CHUNK_LOGITS", tokens_at_once * model.config.vocab_size)
    found, of_pieces = loss_and_gradients(model, in_pieces=True)
    assert found == pytest.approx(expected, abs=1e-5)
    assert of_pieces.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert torch.allclose(of_pieces[name], gradient, atol=1e-5), name


def test_logits_that_are_more_than_a_product_are_computed_as_the_model_does(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(tiny_model, "fp32", device="cpu")
    forward = type(model).forward

    def scaled(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        output.logits = output.logits * 0.25
        return output

    monkeypatch.setattr(type(model), "forward", scaled)
    expected, _ = loss_and_gradients(model, in_pieces=False)
    assert loss_and_gradients(model, in_pieces=True)[0] == expected


def test_a_first_try_in_vain_draws_nothing(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(tiny_model, "fp32", device="cpu")
    forward = type(model).forward

    def scaled(*args: Any, **kwargs: Any) -> Any:
        output = forward(*args, **kwargs)
        output.logits = torch.nn.functional.dropout(output.logits, 0.1)
        return output

    monkeypatch.setattr(type(model), "forward", scaled)
    torch.manual_seed(0)
    expected = [loss_and_gradients(model, in_pieces=False)[0], torch.rand(1)]
    torch.manual_seed(0)
    assert [loss_and_gradients(model, in_pieces=True)[0], torch.rand(1)] == expected


def test_no_logits_are_held(tiny_model: Path) -> None:
    model = load_model(tiny_model, "fp32", device="cpu")
    shapes: list[tuple[int, ...]] = []
    head = HeadLoss(model)
    model.get_output_embeddings().register_forward_hook(lambda *hook: shapes.append(tuple(hook[2].shape)))
    batch = collate(ROWS, 0.1, 0)
    head.loss(model, batch)
    assert shapes == [(len(batch["kept"]), model.config.hidden_size)]
