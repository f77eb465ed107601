"""Trainings of the tiny model in a process of their own, or in two that torchrun starts."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.attempt import AttemptFolder, JobFile, processes_of, write_document
from executors.prompt.document import make_prompt, write_prompt
from executors.store import Store
from executors.train import Train
from executors.train.watch import Record
from tests.executors.tiny import tiny_rows, write_rows
from tests.executors.train.jobs import params_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.documents import StepResult

ROOT = Path(__file__).parents[3]
# The effective batch of two processes is that of one.
ONE: dict[str, Any] = {"micro_batch": 4, "accumulation": 2, "distribution": "single"}
TWO: dict[str, Any] = {"micro_batch": 2, "accumulation": 2, "devices": 2, "nodes": 1}


def attempt_of(
    folder: Path, model: Path, number: int = 1, rows: Callable[..., list[dict[str, str]]] = tiny_rows, **changes: Any
) -> AttemptFolder:
    """An attempt at a training of 27 rows, of which the last step has fewer than there are places for."""
    folder.mkdir(exist_ok=True)
    write_prompt(make_prompt("Answer with JSON."), folder / "prompt.json")
    inputs = {
        "model": model,
        "prompt": folder / "prompt.json",
        "train": write_rows(folder / "train.jsonl", rows(27)),
        "validation": write_rows(folder / "validation.jsonl", rows(9, start=27)),
    }
    params = params_of(**changes)
    attempt = AttemptFolder.of(folder / "steps/train__sft", number)
    job = JobFile(
        tag=f"t/{number}", address="train/sft", attempt=number, executor="train", target="executors.train:Train",
        version=Train.version, action_key="sha256:00", params=params, processes=processes_of(params),
        inputs={name: str(path) for name, path in inputs.items()}, outputs=("model" if changes.get("method") == "full"
        else "adapter",), checkpoints=str(folder / "checkpoints"), cache=str(folder / "cache"),
        store=str(folder / "store"),
    )  # fmt: skip
    write_document(attempt.job_file, job)
    return attempt


def start(attempt: AttemptFolder) -> subprocess.Popen[bytes]:
    """Start the process that a place would start."""
    starter = "executors.launch" if JobFile.model_validate_json(attempt.job_file.read_bytes()).processes else (
        "executors.worker"
    )  # fmt: skip
    environment = os.environ | {
        "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error",
    }  # fmt: skip
    with attempt.log.open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", starter, str(attempt.folder)], cwd=ROOT, env=environment, stdout=log, stderr=log
        )


def losses(folder: Path) -> Record:
    """What the newest checkpoint of an attempt in a folder knows."""
    newest = max(folder.glob("checkpoints/checkpoint-*"), key=lambda item: int(item.name.rpartition("-")[2]))
    return Record.read(newest)


def weights(folder: Path, result: StepResult) -> dict[str, Any]:
    """The tensors that an attempt in a folder left."""
    from safetensors.torch import load_file

    (artifact,) = result.artifacts.values()
    (file,) = Store(folder / "store").get(artifact.digest).glob("*.safetensors")
    found: dict[str, Any] = load_file(file)
    return found


def carried_out(attempt: AttemptFolder) -> StepResult:
    """Start it and wait for its result."""
    with start(attempt) as process:
        process.wait(timeout=300)
    result = attempt.result()
    assert result is not None, attempt.log.read_text()
    return result
