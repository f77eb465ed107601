"""Intents of real requests by three ways of training one small model: a probe, a head with LoRA, written labels.

    python -m bench.labels [DATA] [--rows N]

Prints accuracy on the test rows with its 95% interval, macro-F1, and CPU seconds of training and of answering.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from executors.contract import Job
from executors.evaluate import Evaluate, EvaluateParams
from executors.prompt.document import make_prompt, write_prompt
from executors.train import FitProbe, Train, TrainParams
from executors.train.probe import ProbeParams

ROOT = Path(__file__).parents[1]
MODEL = ROOT / "bench" / ".models" / "SmolLM2-135M-Instruct"
TRAINING: dict[str, Any] = {
    "rank": 16, "alpha": 32.0, "rank_scaling": "classic", "dropout": 0.0, "targets": "all-linear",
    "initialisation": "zero-output", "rate_ratio": 1.0, "method": "lora", "learning_rate": 1e-3, "schedule": "linear",
    "warmup_ratio": 0.03, "epochs": 3.0, "micro_batch": 8, "accumulation": 1, "max_length": 128,
    "prompt_loss_weight": 0.0, "gradient_checkpointing": False, "optimizer": "adamw", "weight_decay": 0.01,
    "beta1": 0.9, "beta2": 0.999, "max_grad_norm": 1.0, "precision": "bf16", "base_dtype": "bf16",
    "attention": "sdpa", "liger_kernel": "never", "compile": "off", "distribution": "single", "packing": False,
    "length_grouped": True, "early_stopping_patience": None, "evaluations_per_epoch": 1, "checkpoint_s": 600.0,
    "seed": 0,
}  # fmt: skip


def main() -> None:
    """Train, answer and print a row each."""
    reader = argparse.ArgumentParser()
    reader.add_argument("data", nargs="?", type=Path, default=ROOT.parent / "shared" / "data" / "snips-json")
    reader.add_argument("--rows", type=int, default=400)
    asked = reader.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        files = {role: _labelled(asked.data / f"{role}.jsonl", work, asked.rows) for role in ("train", "valid", "test")}
        labels = sorted({json.loads(line)["completion"] for line in files["train"].read_text().splitlines()})
        write_prompt(make_prompt(f"Name the intent: {', '.join(labels)}."), work / "prompt.json")
        print("| way | accuracy | macro-F1 | training, CPU s | answering, CPU s a row |")
        print("|---|---|---|---|---|")
        for way in ("linear probe", "head with LoRA", "written labels with LoRA"):
            print(_row(way, work, files, labels), flush=True)


def _labelled(file: Path, work: Path, rows: int) -> Path:
    read = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()][:rows]
    kept = [{"id": row["id"], "prompt": row["prompt"], "completion": row["intent"]} for row in read]
    target = work / file.name
    target.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
    return target


def _row(way: str, work: Path, files: dict[str, Path], labels: list[str]) -> str:
    place, rows = work / way.replace(" ", "-"), {"train": files["train"], "validation": files["valid"]}
    prompt = {} if "labels" not in way else {"prompt": work / "prompt.json"}
    started = time.process_time()
    if way == "linear probe":
        fit = {"labels": labels, "base_dtype": "bf16", "seed": 0}
        job = _job(place / "train", ProbeParams.model_validate(fit), {"model": MODEL, **rows})
        FitProbe().perform(job)
    else:
        own = {"objective": "classification-head", "labels": labels}
        if prompt:
            own = {"objective": "sft", "learn_turns": "last", "share_prefix": True}
        params = TrainParams.model_validate(TRAINING | own)
        job = _job(place / "train", params, {"model": MODEL, **rows, **prompt})
        Train().perform(job)
    trained = time.process_time() - started
    form = {"metrics": ["label_accuracy", "macro_f1"], "schema": None, "labels": labels, "format": "label"}
    how = {"max_new_tokens": 12, "batch_size": 16, "dtype": "bf16", "limit": None, "seed": 0}
    answers = EvaluateParams.model_validate(form | how | {"decoding": "labels" if prompt else "head"})
    inputs = {"model": MODEL, "adapter": job.out / "adapter", "data": files["test"], **prompt}
    started = time.process_time()
    metrics = Evaluate().perform(_job(place / "evaluate", answers, inputs)).metrics
    each = (time.process_time() - started) / len(files["test"].read_text(encoding="utf-8").splitlines())
    found, f1 = metrics["label_accuracy"], metrics["macro_f1"]
    shown = f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f}) | {f1.value:.3f}"
    return f"| {way} | {shown} | {trained:.0f} | {each:.3f} |"


def _job(place: Path, params: Any, inputs: dict[str, Path]) -> Job:
    out, checkpoints = place / "out", place / "checkpoints"
    out.mkdir(parents=True)
    checkpoints.mkdir()
    return Job("train/labels", params, dict(inputs), out, checkpoints, lambda _: None, place / "cache")


if __name__ == "__main__":
    main()
