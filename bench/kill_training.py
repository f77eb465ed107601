"""Kills a training of the small model ten times, at random moments and while checkpoints are written, and compares.

    python -m bench.kill_training [MODEL_FOLDER ROWS.jsonl]

Every process is ended by SIGKILL. The last one runs to its end; what it leaves must be, byte for byte, what a run that
nobody disturbed leaves.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.small_model import ROOT, ROWS, small_model
from bench.train_throughput import INSTRUCTION
from executors.attempt import AttemptFolder, JobFile, write_document
from executors.train import Train

PARAMS: dict[str, Any] = {
    "objective": "sft", "learn_turns": "last", "share_prefix": True, "method": "lora", "rank": 8, "alpha": 16.0,
    "rank_scaling": "classic",
    "dropout": 0.1, "targets": "all-linear", "initialisation": "zero-output", "rate_ratio": 1.0,
    "learning_rate": 1e-3, "schedule": "linear", "warmup_ratio": 0.1, "epochs": 3.0, "micro_batch": 2,
    "accumulation": 1, "max_length": 256, "prompt_loss_weight": 0.0, "gradient_checkpointing": False,
    "optimizer": "adamw", "weight_decay": 0.0, "beta1": 0.9, "beta2": 0.999, "max_grad_norm": 1.0,
    "precision": "bf16", "base_dtype": "bf16", "attention": "sdpa", "liger_kernel": "never", "compile": "off",
    "distribution": "single", "packing": False, "length_grouped": True,
    "early_stopping_patience": None, "evaluations_per_epoch": 0, "checkpoint_s": 0.1, "seed": 1,
}  # fmt: skip


def main() -> None:
    """Run, kill, run on, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", type=Path, nargs="?", help="folder of the base model")
    parser.add_argument("rows", type=Path, nargs="?", default=ROWS, help="JSONL of training rows")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--steps", type=int, default=21, help="optimizer steps of 2 rows, over 3 epochs")
    options = parser.parse_args()
    model = options.model or small_model()
    with tempfile.TemporaryDirectory() as name:
        calm, killed = Path(name) / "calm", Path(name) / "killed"
        for folder in (calm, killed):
            _prepare(folder, options.rows, options.steps * 2 // 3)
        chance = random.Random(0)  # noqa: S311 - moments, not secrets
        # Beside the others: a process that starts keeps one core busy.
        with _start(calm, model, 1) as undisturbed:
            for number in range(1, options.kills + 1):
                _kill(killed, model, number, chance, writing=number % 3 == 0)
            found = _end(_start(killed, model, options.kills + 1), killed, options.kills + 1)
            expected = _end(undisturbed, calm, 1)
    print(f"undisturbed  {expected['artifacts']['adapter']['digest']}")
    print(f"killed       {found['artifacts']['adapter']['digest']}, resumed from step {found['notes']['resumed_from']}")
    if expected["artifacts"] != found["artifacts"]:
        raise SystemExit("The weights differ.")
    print(f"The same bytes after {options.kills} kills.")


def _prepare(folder: Path, rows: Path, count: int) -> None:
    from executors.prompt.document import make_prompt, write_prompt

    folder.mkdir()
    lines = rows.read_text(encoding="utf-8").splitlines()[:count]
    (folder / "train.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_prompt(make_prompt(INSTRUCTION), folder / "prompt.json")


def _start(folder: Path, model: Path, number: int) -> subprocess.Popen[bytes]:
    attempt = AttemptFolder.of(folder / "steps", number)
    inputs = {"model": model, "prompt": folder / "prompt.json", "train": folder / "train.jsonl"}
    job = JobFile(
        tag=f"kill/{number}", address="train/sft", attempt=number, executor="train", target="executors.train:Train",
        version=Train.version, action_key="sha256:00", params=PARAMS, outputs=("adapter",),
        inputs={name: str(path) for name, path in inputs.items()}, checkpoints=str(folder / "checkpoints"),
        cache=str(folder / "cache"), store=str(folder / "store"),
    )  # fmt: skip
    write_document(attempt.job_file, job)
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE", "HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"}
    with attempt.log.open("ab") as log:
        command = [sys.executable, "-m", "executors.worker", str(attempt.folder)]
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)


def _kill(folder: Path, model: Path, number: int, chance: random.Random, *, writing: bool) -> None:
    """End a process at a random moment, or as soon as it writes a checkpoint; say what it left."""
    before = _newest(folder)
    process = _start(folder, model, number)
    while process.poll() is None and not (_partial(folder) if writing else _newest(folder) > before):
        time.sleep(0.005)
    moment = 0.0 if writing else chance.random()
    time.sleep(moment)
    if process.poll() is not None:
        raise SystemExit("It ended before it could be killed: give it more --steps.")
    process.kill()
    process.wait()
    half = " and a half-written one" if _partial(folder) else ""
    how = "while a checkpoint was written" if writing else f"{moment:.2f} s after a checkpoint"
    print(f"kill {number:2}: {how}: checkpoint of step {_newest(folder)}{half} left, status {process.returncode}")


def _newest(folder: Path) -> int:
    names = [item.name.removeprefix("checkpoint-") for item in folder.glob("checkpoints/checkpoint-*")]
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _partial(folder: Path) -> bool:
    return any(folder.glob("checkpoints/*.partial"))


def _end(process: subprocess.Popen[bytes], folder: Path, number: int) -> dict[str, Any]:
    process.wait()
    attempt = AttemptFolder.of(folder / "steps", number)
    result: dict[str, Any] = json.loads(attempt.result_file.read_text(encoding="utf-8"))
    if result["status"] != "done":
        raise SystemExit(result["error"]["message"])
    return result


if __name__ == "__main__":
    main()
