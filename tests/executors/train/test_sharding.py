"""Two processes over gloo learn what one learns from the same effective batches, and die and go on together."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from tests.executors.train.spread import ONE, TWO, attempt_of, carried_out, losses, start, weights

if TYPE_CHECKING:
    from pathlib import Path

    from executors.attempt import AttemptFolder
    from planner.documents import StepResult

pytestmark = pytest.mark.slow

LONG: dict[str, Any] = {"epochs": 30.0, "dropout": 0.1, "checkpoint_s": 0.05, "evaluations_per_epoch": 0}


@pytest.fixture(scope="module")
def alone(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, StepResult]]:
    """What one process leaves, by method."""
    found = {}
    for method in ("lora", "full"):
        folder = tmp_path_factory.mktemp(method)
        found[method] = (folder, carried_out(attempt_of(folder, tiny_model, method=method, **ONE)))
    return found


@pytest.mark.parametrize(("distribution", "method"), [("ddp", "lora"), ("fsdp", "lora"), ("fsdp", "full")])
def test_two_processes_learn_what_one_does(
    alone: dict[str, tuple[Path, StepResult]], distribution: str, method: str, tiny_model: Path, tmp_path: Path
) -> None:
    result = carried_out(attempt_of(tmp_path, tiny_model, method=method, distribution=distribution, **TWO))
    assert result.error is None, result.error
    folder, one = alone[method]
    first, second = losses(folder), losses(tmp_path)
    assert len(first.losses) == len(second.losses) == 16
    assert second.losses == pytest.approx(first.losses, abs=1e-3)
    assert [loss for _, loss in second.evaluations] == pytest.approx([at for _, at in first.evaluations], abs=1e-3)
    assert second.tokens == first.tokens
    assert result.notes["trainable"] == one.notes["trainable"]
    expected, found = weights(folder, one), weights(tmp_path, result)
    assert expected.keys() == found.keys()
    assert max(float((expected[name] - found[name]).abs().max()) for name in expected) < 1e-4
    assert result.notes["processes"] == 2


def rank_of(attempt: AttemptFolder, rank: int) -> psutil.Process:
    """A worker of an attempt."""
    return next(
        process
        for process in psutil.process_iter(["cmdline"])
        if str(attempt.folder) in (process.info["cmdline"] or [])
        and "executors.worker" in process.info["cmdline"]
        and process.environ().get("RANK") == str(rank)
    )


def workers(attempt: AttemptFolder) -> list[int]:
    return [
        process.pid
        for process in psutil.process_iter(["cmdline", "status"])
        if str(attempt.folder) in (process.info["cmdline"] or []) and process.info["status"] != psutil.STATUS_ZOMBIE
    ]


def wait_for_checkpoint(folder: Path, after: int = 0) -> None:
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        steps = [item.name.rpartition("-")[2] for item in folder.glob("checkpoints/checkpoint-*")]
        if any(step.isdecimal() and int(step) > after for step in steps):
            return
        time.sleep(0.01)
    pytest.fail("no checkpoint was written")


@pytest.mark.parametrize("distribution", ["ddp", "fsdp"])
def test_the_death_of_one_ends_all_and_the_next_attempt_leaves_the_same_weights(
    distribution: str, tiny_model: Path, tmp_path: Path
) -> None:
    changes = TWO | LONG | {"distribution": distribution}
    (tmp_path / "calm").mkdir()
    calm = carried_out(attempt_of(tmp_path / "calm", tiny_model, **changes))
    folder = tmp_path / "killed"
    attempt = attempt_of(folder, tiny_model, **changes)
    with start(attempt) as process:
        wait_for_checkpoint(folder)
        rank_of(attempt, 1).kill()
        process.wait(timeout=60)
    result = attempt.result()
    assert result is not None
    assert result.error is not None
    assert result.error.message == "The step's process was killed by signal 9 and left no result."
    assert workers(attempt) == []
    again = carried_out(attempt_of(folder, tiny_model, 2, **changes))
    assert again.error is None, again.error
    assert int(str(again.notes["resumed_from"])) > 0
    assert again.artifacts == calm.artifacts


def test_an_error_of_any_process_is_the_one_that_is_told(tiny_model: Path, tmp_path: Path) -> None:
    result = carried_out(attempt_of(tmp_path, tiny_model, distribution="ddp", targets=["no_proj"], **TWO))
    assert result.error is not None
    assert result.error.cls == "config"
    assert result.error.message == "The model has no linear layer no_proj."


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_nobody_outlives_the_launcher(number: signal.Signals, tiny_model: Path, tmp_path: Path) -> None:
    attempt = attempt_of(tmp_path, tiny_model, distribution="ddp", **TWO | LONG)
    with start(attempt) as process:
        wait_for_checkpoint(tmp_path)
        os.kill(process.pid, number)
        process.wait(timeout=60)
    deadline = time.monotonic() + 10
    while workers(attempt) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers(attempt) == []
    result = attempt.result()
    if number == signal.SIGTERM:
        assert result is not None
        assert result.error is not None
        assert result.error.cls == "preempted"
    else:
        assert result is None
