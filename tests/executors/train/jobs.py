"""A training of the tiny model, small enough for a test; run as a program, it can be killed."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from executors.contract import Job, Outcome
from executors.prompt.document import make_prompt, write_prompt
from executors.train import Train, TrainParams
from executors.train.belonging import ALL_OWN, OWN
from tests.executors.tiny import tiny_rows, write_rows

PARAMS: dict[str, Any] = {
    "objective": "sft",
    "method": "lora",
    "rank": 8,
    "alpha": 16.0,
    "rank_scaling": "classic",
    "dropout": 0.0,
    "targets": "all-linear",
    "initialisation": "zero-output",
    "rate_ratio": 1.0,
    "learning_rate": 0.02,
    "schedule": "linear",
    "warmup_ratio": 0.05,
    "epochs": 4.0,
    "micro_batch": 4,
    "accumulation": 2,
    "max_length": 128,
    "prompt_loss_weight": 0.1,
    "gradient_checkpointing": False,
    "optimizer": "adamw",
    "weight_decay": 0.0,
    "beta1": 0.9,
    "beta2": 0.999,
    "max_grad_norm": 1.0,
    "precision": "fp32",
    "base_dtype": "fp32",
    "attention": "sdpa",
    "liger_kernel": "never",
    "compile": "off",
    "distribution": "single",
    "packing": False,
    "length_grouped": True,
    "early_stopping_patience": None,
    "evaluations_per_epoch": 1,
    "checkpoint_s": 60.0,
    "seed": 7,
}


# What each method has of its own; those of lora are in PARAMS.
METHODS: dict[str, dict[str, Any]] = {
    "full": {"learning_rate": 0.01},
    "partial": {"layers_trained": 1, "modules_trained": "all", "learning_rate": 0.01},
    "bitfit": {"learning_rate": 0.05},
    "galore": {"rank": 8, "optimizer": "galore-adamw", "learning_rate": 0.02},
    "lora": {},
    "dora": {},
    "longlora": {"learning_rate": 0.01},
    "qlora": {"base_quantization": "nf4"},
    "relora": {"restarts": 1},
    "ia3": {"learning_rate": 0.3},
    "adapter": {"bottleneck": 16, "learning_rate": 0.01},
    "prompt-tuning": {"virtual_tokens": 8, "initialisation": "sampled-vocabulary", "learning_rate": 0.3},
    "prefix-tuning": {"virtual_tokens": 8, "initialisation": "random", "learning_rate": 0.1},
    "p-tuning": {"virtual_tokens": 8, "initialisation": "random", "learning_rate": 0.02},
}


# What each objective has of its own.
OBJECTIVES: dict[str, dict[str, Any]] = {
    "sft": {"learn_turns": "last", "share_prefix": False},
    "classification-head": {"labels": "found", "prompt_loss_weight": 0.0},
    "long-context": {"learn_turns": "last", "share_prefix": False, "scaling": "yarn", "scaling_factor": 4.0},
    "infilling": {"held_out": 0.0, "fim_rate": 0.9, "spm_rate": 0.5},
    "continued-pretraining": {"held_out": 0.0, "prompt_loss_weight": 1.0},
    "distillation": {
        "learn_turns": "last",
        "share_prefix": False,
        "distill_temperature": 2.0,
        "hard_label_weight": 0.5,
        "divergence": 0.0,
    },
    "preference": {
        "preference_loss": "sigmoid",
        "preference_beta": 0.1,
        "label_smoothing": 0.0,
        "desirable_weight": 1.0,
        "undesirable_weight": 1.0,
        "prompt_loss_weight": 0.0,
    },
}


def params_of(method: str = "lora", objective: str = "sft", **changes: Any) -> dict[str, Any]:
    """Parameters of a training to an objective by a method, without those of others."""
    common = {name: value for name, value in PARAMS.items() if name not in ALL_OWN or name in OWN[method]}
    return common | {"method": method, "objective": objective} | METHODS[method] | OBJECTIVES[objective] | changes


def make_job(work: Path, model: Path, *, validate: bool = True, **changes: Any) -> Job:
    """A job in a folder of its own: 32 rows to train on, 8 to validate; checkpoints stay from job to job."""
    params = TrainParams.model_validate(params_of(**changes))
    out = work / f"out-{len(list(work.glob('out-*'))) + 1}"
    out.mkdir(parents=True)
    (work / "checkpoints").mkdir(exist_ok=True)
    write_prompt(make_prompt("Answer with JSON."), work / "prompt.json")
    inputs = {
        "model": model,
        "prompt": work / "prompt.json",
        "train": write_rows(work / "train.jsonl", tiny_rows(32)),
    }
    if validate:
        inputs["validation"] = write_rows(work / "validation.jsonl", tiny_rows(8, start=32))
    return Job("train/sft", params, inputs, out, work / "checkpoints", lambda _: None, work / "cache")


def perform(job: Job) -> Outcome:
    """Train."""
    return Train().perform(job)


if __name__ == "__main__":
    outcome = perform(make_job(Path(sys.argv[1]), Path(sys.argv[2]), **json.loads(sys.argv[3])))
    print(json.dumps(dict(outcome.notes)))  # noqa: T201
