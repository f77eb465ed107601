"""Trainings to every objective, one after the other: in this process, or in each of two that torchrun starts."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from executors.train import ranks
from executors.train import work as training
from executors.train.belonging import SINGLE_ANSWERS
from tests.executors.encoders import label_rows
from tests.executors.tiny import PLACES, THINGS, tiny_rows, write_rows
from tests.executors.train.jobs import make_job, perform
from tests.executors.train.spread import TWO, losses

if TYPE_CHECKING:
    from executors.contract import Job

# 27 rows: the last step has fewer than there are places for, and the last validation batch is of one process alone.
TRAINED, HELD = 27, 9
FOUND = "found.json"
CASES: dict[str, dict[str, Any]] = {
    "preference": {"objective": "preference", "learning_rate": 0.005},
    "orpo": {"objective": "preference", "learning_rate": 0.005, "preference_loss": "orpo"},
    "kto": {"objective": "preference", "learning_rate": 0.005, "preference_loss": "kto"},
    "distillation": {"objective": "distillation"},
    "head": {"objective": "classification-head", "learning_rate": 0.01},
    "raw text": {"objective": "continued-pretraining", "packing": True, "max_length": 96},
    "infilling": {"objective": "infilling"},
    "long context": {"objective": "long-context"},
    "shared beginning": {"objective": "sft", "share_prefix": True},
}
# Shared out is what reads a model in another way than supervised training does.
SPREAD = [
    *(("ddp", case) for case in CASES),
    *(("fsdp", case) for case in ("kto", "distillation", "head", "infilling", "shared beginning")),
]


def job_of(case: str, work: Path, model: Path, **changes: Any) -> Job:
    """A training of a case: its checkpoints lie in `work`, what it reads and leaves in a folder of each process."""
    own = work / f"of-{changes.pop('rank', 0)}"
    job = make_job(own, model, **{"epochs": 1.0} | CASES[case] | changes)
    rows = {"train": _rows(job.params, TRAINED), "validation": _rows(job.params, HELD, start=TRAINED)}
    inputs = {**job.inputs, **{name: write_rows(own / f"{name}.jsonl", found) for name, found in rows.items()}}
    if job.params.objective == "distillation":
        inputs["teacher"] = model.parent / "teacher"
    checkpoints = work / "checkpoints"
    checkpoints.mkdir(parents=True, exist_ok=True)
    return replace(job, inputs=inputs, checkpoints=checkpoints)


def _rows(params: Any, count: int, start: int = 0) -> list[dict[str, Any]]:
    rows = tiny_rows(count, start=start)
    if params.objective == "classification-head":
        return list(label_rows(count, start=start))
    if params.objective == "continued-pretraining":
        return [{"id": f"d{at}", "text": " ".join(f"the {thing} in the {PLACES[at % 5]}" for thing in THINGS)}
                for at in range(start, start + count)]  # fmt: skip
    if params.objective == "infilling":
        return [{"id": f"g{at}", "prefix": f"turn on the {THINGS[at % 4]} and the ", "middle": PLACES[at % 5],
                 "suffix": f" {PLACES[at % 5]}"} for at in range(start, start + count)]  # fmt: skip
    if params.objective != "preference":
        return list(rows)
    if params.preference_loss in SINGLE_ANSWERS:
        return [{"id": row["id"], "prompt": row["prompt"], "label": at % 3 > 0,
                 "completion": row["completion"] if at % 3 else "I will."} for at, row in enumerate(rows)]  # fmt: skip
    return [{"id": row["id"], "prompt": row["prompt"], "chosen": row["completion"], "rejected": "I will."}
            for row in rows]  # fmt: skip


def outcome_of(job: Job) -> dict[str, Any]:
    """Metrics, notes, and losses of the steps and evaluations of a training that is carried out here."""
    outcome = perform(job)
    metrics = {name: found.value for name, found in outcome.metrics.items() if name != "tokens_per_s"}
    return {"metrics": metrics, "notes": dict(outcome.notes), **vars(losses(job.checkpoints.parent))}


def carry_out(work: Path, model: Path) -> None:
    """Trainings one after the other in one process group; the first process writes what came out.

    The processes start in seconds, and with a group of its own each training would take as long.
    """
    import torch
    from torch import distributed

    distributed.init_process_group("gloo", timeout=ranks.PATIENCE)
    torch.set_num_threads(1)
    rank = distributed.get_rank()
    with patch.object(distributed, "init_process_group"), patch.object(training, "leave"):
        for way, case in SPREAD:
            place = work / way / case
            found = outcome_of(job_of(case, place, model, distribution=way, rank=rank, **TWO))
            if rank == 0:
                (place / FOUND).write_text(json.dumps(found), encoding="utf-8")
    distributed.destroy_process_group()


if __name__ == "__main__":
    carry_out(Path(sys.argv[1]), Path(sys.argv[2]))
