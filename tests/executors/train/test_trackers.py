"""Trackers follow a training only where the user's environment names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executors.train import Train
from executors.train.trackers import trackers
from planner.documents import InputError
from tests.executors.train.jobs import make_job, perform
from tests.executors.train.test_executor import SITE, step

if TYPE_CHECKING:
    from pathlib import Path


def test_nobody_follows_unless_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ADAPT_TRACKERS", raising=False)
    assert trackers(tmp_path) == []


@pytest.mark.parametrize(
    ("asked", "said"), [("tensorbord", "tensorbord, which is not known"), ("wandb", "wandb, whose package is not")]
)
def test_a_tracker_that_is_unknown_or_missing_is_one_sentence(
    asked: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPT_TRACKERS", asked)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(InputError, match=said):
        trackers(tmp_path)
    # A run does not begin with it.
    assert said in " ".join(found.message for found in Train().check(step("model", "prompt", "train"), SITE))


def test_tensorboard_is_told_both_losses_and_the_weights_stay_the_same(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = []
    for asked in ("", "tensorboard"):
        monkeypatch.setenv("ADAPT_TRACKERS", asked)
        monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
        job = make_job(tmp_path / (asked or "none"), tiny_model, epochs=1.0)
        perform(job)
        weights.append((job.out / "adapter" / "adapter_model.safetensors").read_bytes())
    (events,) = (tmp_path / "board").iterdir()
    written = events.read_bytes()
    assert b"eval/loss" in written
    assert b"train/loss" in written
    assert weights[0] == weights[1]
