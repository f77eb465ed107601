from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from planner.documents import fingerprint
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from executors.contract import Job

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[3]
CHANGES = {"epochs": 50.0, "dropout": 0.1, "checkpoint_s": 0.05}
STEPS = 200


def start(work: Path, model: Path, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.executors.train.jobs", str(work), str(model), json.dumps(CHANGES)]
    environment = os.environ | {"PYTHONHASHSEED": str(seed), "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1"}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


KILLS = 10


def kill_while_training(work: Path, model: Path, seed: int) -> bool:
    """Kill -9 after the process has gone on by a checkpoint, at a random moment or, each third time, while it writes.

    Returns:
        Whether a checkpoint was being written.
    """
    before = set(work.glob("checkpoints/*"))
    process = start(work, model, seed)
    while process.poll() is None and set(work.glob("checkpoints/*")) <= before:
        time.sleep(0.005)
    if seed % 3 == 0:
        while process.poll() is None and not list(work.glob("checkpoints/*.partial")):
            pass
    else:
        time.sleep(random.Random(seed).random() * 0.1)  # noqa: S311 - a moment, not a secret
    process.kill()
    process.communicate()
    assert process.returncode == -9, "it ended before it could be killed"
    return bool(list(work.glob("checkpoints/*.partial")))


def test_killed_ten_times_it_leaves_the_bytes_of_an_undisturbed_run(tiny_model: Path, tmp_path: Path) -> None:
    whole = start(tmp_path / "whole", tiny_model, 0)
    whole.communicate()
    half_written = [kill_while_training(tmp_path / "killed", tiny_model, seed) for seed in range(1, KILLS + 1)]
    assert any(half_written)
    last = start(tmp_path / "killed", tiny_model, KILLS + 1)
    notes = json.loads(last.communicate()[0])
    assert notes["resumed_from"] > 0
    assert notes["steps"] == STEPS
    expected = fingerprint(tmp_path / "whole" / "out-1" / "adapter")
    assert fingerprint(tmp_path / "killed" / f"out-{KILLS + 1}" / "adapter") == expected


def weights(job: Job) -> bytes:
    return (job.out / "adapter" / "adapter_model.safetensors").read_bytes()


def test_a_damaged_checkpoint_is_passed_over(tiny_model: Path, tmp_path: Path) -> None:
    first = make_job(tmp_path, tiny_model, dropout=0.1)
    perform(first)
    newest = tmp_path / "checkpoints" / "checkpoint-16" / "optimizer.pt"
    newest.write_bytes(newest.read_bytes()[:-100])
    again = make_job(tmp_path, tiny_model, dropout=0.1)
    assert perform(again).notes["resumed_from"] == 12
    assert weights(again) == weights(first)


def test_a_finished_training_is_not_trained_again(tiny_model: Path, tmp_path: Path) -> None:
    first = make_job(tmp_path, tiny_model)
    perform(first)
    again = make_job(tmp_path, tiny_model)
    outcome = perform(again)
    assert outcome.notes["resumed_from"] == 16
    assert outcome.tokens == 0
    assert weights(again) == weights(first)
