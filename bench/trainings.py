"""What bench/methods measures: a row for each method and each objective, and the data that an objective learns from.

Another objective is a row in RUNS, its own parameters in OWN, and a function in DATA.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.small_model import ROOT, ROWS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Rows to train on and to validate with, so that each training takes less than a minute of one core.
ROWS_OF: dict[str, tuple[int, int]] = {"continued-pretraining": (12, 4), "infilling": (12, 4), "preference": (16, 8)}
PAIRS = (64, 16)
# Public sets beside the repository, where they are; the project does not ship them.
SHARED = ROOT.parent / "shared/data"
LORA = {"method": "lora", "rank": 16, "alpha": 32.0, "rank_scaling": "classic", "dropout": 0.0, "targets": "all-linear"}
LORA |= {"initialisation": "zero-output", "rate_ratio": 1.0, "learning_rate": 1e-3}
SOFT = {"virtual_tokens": 20, "initialisation": "random"}
# BitFit is left out: the model has no biases.
RUNS: dict[str, dict[str, Any]] = {
    "full": {"method": "full", "learning_rate": 1e-4},
    "partial": {"method": "partial", "layers_trained": 8, "learning_rate": 2e-4},
    "galore": {"method": "galore", "rank": 64, "optimizer": "galore-adamw", "learning_rate": 5e-4},
    "lora": LORA,
    "lora+": {**LORA, "rate_ratio": 8.0, "learning_rate": 3e-4},
    "rslora": {**LORA, "rank_scaling": "rslora", "learning_rate": 3e-4},
    "dora": {**LORA, "method": "dora"},
    "longlora": {**LORA, "method": "longlora", "learning_rate": 3e-4},
    "relora": {**LORA, "method": "relora", "restarts": 2},
    "qlora nf4": {**LORA, "method": "qlora", "base_quantization": "nf4"},
    "qlora int8": {**LORA, "method": "qlora", "base_quantization": "int8"},
    "ia3": {"method": "ia3", "learning_rate": 1e-2},
    "adapter": {"method": "adapter", "bottleneck": 64, "learning_rate": 1e-3},
    "prompt-tuning": {"method": "prompt-tuning", **SOFT, "initialisation": "sampled-vocabulary", "learning_rate": 3e-2},
    "prefix-tuning": {"method": "prefix-tuning", **SOFT, "initialisation": "zero-output", "learning_rate": 1e-2},
    "p-tuning": {"method": "p-tuning", **SOFT, "learning_rate": 1e-3},
    "packed pairs": {**LORA, "packing": True, "micro_batch": 1},
    "raw text, full": {"objective": "continued-pretraining", "method": "full", "learning_rate": 1e-4},
    "raw text, lora": {"objective": "continued-pretraining", **LORA},
    "infilling, full": {"objective": "infilling", "method": "full", "learning_rate": 1e-4},
    "infilling, lora": {"objective": "infilling", **LORA},
    "long context, longlora": {"objective": "long-context", **LORA, "method": "longlora", "learning_rate": 3e-4},
    "long context, lora": {"objective": "long-context", **LORA},
    "preference, full": {"objective": "preference", "method": "full", "learning_rate": 2e-6},
    "preference, lora": {"objective": "preference", **LORA, "learning_rate": 2e-4},
    "preference by orpo": {"objective": "preference", **LORA, "preference_loss": "orpo", "learning_rate": 2e-4},
    "preference by kto": {"objective": "preference", **LORA, "preference_loss": "kto", "learning_rate": 2e-4},
    "distillation, lora": {"objective": "distillation", **LORA},
    "labels, lora": {"objective": "classification-head", **LORA},
}
TEXT = {"held_out": 0.0, "max_length": 256, "micro_batch": 4, "packing": True}
# What an objective has of its own.
OWN: dict[str, dict[str, Any]] = {
    "sft": {"learn_turns": "last"},
    "continued-pretraining": {**TEXT, "prompt_loss_weight": 1.0},
    "infilling": {**TEXT, "fim_rate": 0.9, "spm_rate": 0.5},
    "long-context": {"learn_turns": "last", "scaling": "yarn", "scaling_factor": 2.0},
    "preference": {
        "preference_loss": "sigmoid", "preference_beta": 0.1, "label_smoothing": 0.0, "desirable_weight": 1.0,
        "undesirable_weight": 1.0, "micro_batch": 2, "max_length": 384,
    },
    # The model teaches itself, for want of a larger one: its distributions hold what is learned near to it.
    "distillation": {
        "learn_turns": "last", "distill_temperature": 2.0, "hard_label_weight": 0.5, "divergence": 0.0,
    },
    "classification-head": {"labels": "found"},
}  # fmt: skip


def params_of(name: str) -> dict[str, Any]:
    """The parameters of a row of the table."""
    objective = str(RUNS[name].get("objective", "sft"))
    return COMMON | {"objective": objective} | OWN[objective] | RUNS[name]


def write_data(objective: str, train: Path, validation: Path) -> None:
    """Write what an objective learns from and is validated on, as JSON Lines.

    Raises:
        SystemExit: the data are not on this machine.
    """
    rows, (learned, held) = DATA.get(objective, _pairs)(), ROWS_OF.get(objective, PAIRS)
    for path, part in ((train, rows[:learned]), (validation, rows[learned : learned + held])):
        path.write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")


def _pairs() -> list[dict[str, Any]]:
    return [json.loads(line) for line in ROWS.read_text(encoding="utf-8").splitlines()]


def _labels() -> list[dict[str, Any]]:
    return [{"prompt": row["prompt"], "label": json.loads(row["completion"])["intent"]} for row in _pairs()]


def _shared(name: str) -> list[dict[str, Any]]:
    file = SHARED / name
    if not file.is_file():
        raise SystemExit(f"The data set {name} is not on this machine.")
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


DATA: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "continued-pretraining": lambda: _shared("rawtext-ty-docs/train.jsonl"),
    "infilling": lambda: _shared("rawtext-ty-docs/train.jsonl"),
    "preference": lambda: sorted(_shared("prefs/train.jsonl"), key=lambda row: len(row["chosen"] + row["rejected"])),
    "classification-head": _labels,
}
COMMON: dict[str, Any] = {
    "schedule": "constant",
    "warmup_ratio": 0.0,
    "epochs": 1.0,
    "micro_batch": 8,
    "accumulation": 1,
    "max_length": 512,
    "prompt_loss_weight": 0.0,
    "gradient_checkpointing": False,
    "optimizer": "adamw",
    "weight_decay": 0.0,
    "beta1": 0.9,
    "beta2": 0.999,
    "max_grad_norm": 1.0,
    "precision": "bf16",
    "base_dtype": "bf16",
    "attention": "sdpa",
    "distribution": "single",
    "packing": False,
    "length_grouped": True,
    "early_stopping_patience": None,
    "evaluations_per_epoch": 1,
    "checkpoint_s": 3600.0,
    "seed": 1,
}
