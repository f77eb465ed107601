"""Jobs that train and measure classifiers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from executors.contract import Job
from executors.evaluate import Evaluate, EvaluateParams
from tests.executors.encoders import label_rows
from tests.executors.tiny import PLACES, write_rows
from tests.executors.train.jobs import make_job

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Outcome


# Learning rates of methods that want another than that of adapters.
RATES = {"full": 0.005, "galore": 0.01, "partial": 0.005, "bitfit": 0.03, "ia3": 0.03, "adapter": 0.01}


def head_job(work: Path, model: Path, **changes: Any) -> Job:
    """A training of a head on 30 rows with 10 to validate."""
    method = changes.get("method", "lora")
    own = {"objective": "classification-head", "learning_rate": RATES.get(method, 0.01), "epochs": 6.0}
    job = make_job(work, model, **(own | changes))
    train = write_rows(work / "train.jsonl", label_rows(30))
    validation = write_rows(work / "validation.jsonl", label_rows(10, start=30))
    return replace(job, inputs={"model": model, "train": train, "validation": validation})


def job_in(work: Path, params: Any, **inputs: Path) -> Job:
    out = work / f"out-of-{len(list(work.glob('out-*')))}"
    out.mkdir()
    return Job("train/classification-head", params, inputs, out, work, lambda _: None, work / "cache")


def measured(work: Path, **inputs: Path) -> tuple[Outcome, list[dict[str, Any]]]:
    """What an evaluation finds of a classifier on five rows."""
    params = EvaluateParams.model_validate(
        {
            "metrics": ["label_accuracy", "macro_f1"],
            "schema": None,
            "labels": list(PLACES),
            "format": "label",
            "max_new_tokens": 8,
            "batch_size": 3,
            "dtype": "fp32",
            "decoding": "head",
            "grammar": None,
            "limit": None,
            "seed": 0,
        }
    )
    data = write_rows(work / "test.jsonl", label_rows(5, start=35))
    asked = job_in(work, params, data=data, **inputs)
    outcome = Evaluate().perform(asked)
    lines = (asked.out / "predictions").read_text(encoding="utf-8").splitlines()
    return outcome, [json.loads(line) for line in lines]
