"""The router of a mixture is trained while its experts stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from planner.documents import InputError
from tests.executors.finetunes import make_finetune, weights
from tests.executors.merge.merges import MARKS, merge, values
from tests.executors.merge.test_alignment import loss, trained
from tests.executors.tiny import make_tiny_model
from tests.executors.train.jobs import METHODS, make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = MARKS


def test_a_trained_router_sends_tokens_to_the_expert_that_knows_and_nothing_else_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setitem(METHODS, "router", {"learning_rate": 0.05})
    base = trained(tmp_path / "base", make_tiny_model(tmp_path / "start"), seed=1)
    noise = make_finetune(base, tmp_path / "noise", seed=2, size=0.1)
    given = values("moe", experts=2, experts_per_token=2, router="uniform-random")
    mixture = merge(tmp_path / "mixture", given, make_finetune(base, tmp_path / "one", seed=3), noise, base=base)
    perform(job := make_job(tmp_path / "work", mixture, method="router", epochs=6.0))
    assert loss(job.out / "model", base) < 0.95 * loss(mixture, base)
    before, after = weights(mixture), weights(job.out / "model")
    changed = {name for name in before if name in after and not torch.equal(before[name], after[name])}
    assert changed == {f"model.layers.{layer}.mlp.gate.weight" for layer in (0, 1)}


def test_a_model_without_experts_has_no_router_to_train(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "router", {"learning_rate": 0.05})
    with pytest.raises(InputError, match="no mixture of experts and has no router to train"):
        perform(make_job(tmp_path / "work", make_tiny_model(tmp_path / "plain"), method="router"))
