"""Preference training on the small model: what it prefers before and after, and what that cost.

    python -m bench.preferences DATA [LOSS ...] [--rate RATE]

DATA is a folder with `train.jsonl` and `test.jsonl`, rows of prompt, chosen and rejected. One epoch by LoRA; each loss
in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.small_model import small_model
from bench.trainings import COMMON, LORA, OWN

if TYPE_CHECKING:
    from planner.documents import Measurement

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

LOSSES = ("sigmoid", "orpo", "kto")
SHOWN = ("preference_accuracy", "reward_margin", "likelihood_accuracy", "likelihood_margin")


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser()
    options.add_argument("data", type=Path)
    options.add_argument("losses", nargs="*", default=LOSSES)
    options.add_argument("--rate", type=float, default=2e-4)
    options.add_argument("--one", action="store_true")
    asked = options.parse_args()
    if asked.one:
        print(json.dumps(_one(asked.data, asked.losses[0], asked.rate)))
        return
    print("{:18} {:>22} {:>22} {:>22} {:>22} {:>8}".format("", *(name.replace("_", " ") for name in SHOWN), "CPU s"))
    for loss in ("before", *asked.losses):
        command = [sys.executable, "-m", "bench.preferences", str(asked.data), loss, "--rate", str(asked.rate), "--one"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{loss:18} failed: {done.stderr.strip().splitlines()[-1]}")
            continue
        found = json.loads(done.stdout.splitlines()[-1])
        print("{:18} {:>22} {:>22} {:>22} {:>22} {:8.0f}".format(loss, *found["shown"], found["cpu_s"]), flush=True)


def _one(data: Path, loss: str, rate: float) -> dict[str, Any]:
    """What the test rows say of the model before training, or after training by a loss; CPU seconds of the training."""
    from executors.contract import Job
    from executors.data import read_rows
    from executors.evaluate import EvaluateParams
    from executors.evaluate.preferences import margins, measured
    from executors.prompt.document import make_prompt, write_prompt
    from executors.train import Train, TrainParams

    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for part in ("out", "checkpoints"):
            (place / part).mkdir()
        write_prompt(make_prompt(""), place / "prompt")
        base = small_model()
        inputs: dict[str, Path | str] = {"model": base, "prompt": place / "prompt", "data": data / "test.jsonl"}
        cpu_s = 0.0
        if loss != "before":
            changes = {"learning_rate": rate, "preference_loss": loss, "objective": "preference", "max_length": 512}
            changes |= {"micro_batch": 4, "accumulation": 2, "warmup_ratio": 0.1, "evaluations_per_epoch": 0}
            params = TrainParams.model_validate(COMMON | OWN["preference"] | LORA | changes)
            job = Job(
                "train/preference",
                params,
                {**inputs, "train": data / "train.jsonl"},
                place / "out",
                place / "checkpoints",
                lambda _: None,
                place / "cache",
            )
            started = _cpu_s()
            Train().perform(job)
            cpu_s = _cpu_s() - started
            inputs |= {"adapter": place / "out" / "adapter", "before": base}
        asked = EvaluateParams.model_validate(
            {
                "metrics": ["preference_accuracy"], "schema": None, "labels": None, "format": "text", "dtype": "bf16",
                "max_new_tokens": 8, "batch_size": 8, "limit": None, "seed": 0,
            }
        )  # fmt: skip
        job = Job("evaluate/a", asked, inputs, place / "out", place / "checkpoints", lambda _: None, place / "cache")
        found = measured(margins(job, read_rows(data / "test.jsonl")), 0)
    return {"shown": [_shown(found.get(name)) for name in SHOWN], "cpu_s": cpu_s}


def _shown(value: Measurement | None) -> str:
    return "-" if value is None else f"{value.value:.3f} [{value.low:.2f}, {value.high:.2f}]"


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main()
