"""What bench/methods measures: a row for each method and each objective, and the data that an objective learns from.

Another objective is a row in RUNS, its own parameters in OWN, and a function in DATA.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from bench.small_model import ROOT, ROWS
from executors.heads import PROBE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# Rows to train on and to validate with, so that each training takes about a minute of one core.
ROWS_OF: dict[str, tuple[int, int]] = {"continued-pretraining": (24, 8), "infilling": (24, 8), "preference": (24, 8)}
PAIRS = (64, 16)
# Requests that the teacher of `distillation of rows` answers, taken from behind the pairs.
ASKED = 64
# Public sets beside the repository, where they are; the project does not ship them.
SHARED = ROOT.parent / "shared/data"
LORA = {"method": "lora", "rank": 16, "alpha": 32.0, "rank_scaling": "classic", "dropout": 0.0, "targets": "all-linear"}
LORA |= {"initialisation": "zero-output", "rate_ratio": 1.0, "learning_rate": 1e-3}
SOFT = {"virtual_tokens": 20, "initialisation": "random", "share_prefix": False}
FULL = {"method": "full", "learning_rate": 1e-4}
TEXT_OBJECTIVE, COMPARED, LABELS = "continued-pretraining", {"objective": "preference"}, "classification-head"
RUNS: dict[str, dict[str, Any]] = {
    "pairs, full": FULL,
    "pairs, partial": {"method": "partial", "layers_trained": 8, "modules_trained": "all", "learning_rate": 2e-4},
    "pairs, qat": {"method": "qat", "rounding": "int8-int4", "rounding_group": 32, "learning_rate": 1e-4},
    "pairs, galore": {"method": "galore", "rank": 64, "optimizer": "galore-adamw", "learning_rate": 5e-4},
    "pairs, lora": LORA,
    "pairs, rslora": {**LORA, "rank_scaling": "rslora", "learning_rate": 3e-4},
    "pairs, lora+": {**LORA, "rate_ratio": 8.0, "learning_rate": 3e-4},
    # These change the frozen weights, which is exact in fp32 alone.
    "pairs, pissa": {**LORA, "initialisation": "pissa", "base_dtype": "fp32", "learning_rate": 3e-4},
    "pairs, olora": {**LORA, "initialisation": "olora", "base_dtype": "fp32", "learning_rate": 1e-4},
    "pairs, eva": {**LORA, "initialisation": "eva", "learning_rate": 3e-4},
    "pairs, mica": {**LORA, "initialisation": "mica"},
    "pairs, dora": {**LORA, "method": "dora"},
    "pairs, longlora": {**LORA, "method": "longlora", "learning_rate": 3e-4},
    "pairs, relora": {**LORA, "method": "relora", "restarts": 2},
    "pairs, qlora nf4": {**LORA, "method": "qlora", "base_quantization": "nf4"},
    "pairs, lora int8": {**LORA, "method": "qlora", "base_quantization": "int8"},
    "pairs, adapter": {"method": "adapter", "bottleneck": 64, "learning_rate": 1e-3},
    "pairs, bitfit": {"method": "bitfit", "learning_rate": 3e-3},
    "pairs, ia3": {"method": "ia3", "learning_rate": 1e-2},
    "pairs, prompt-tuning": {
        "method": "prompt-tuning", **SOFT, "initialisation": "sampled-vocabulary", "learning_rate": 3e-2,
    },
    "pairs, prefix-tuning": {
        "method": "prefix-tuning", **SOFT, "initialisation": "zero-output", "learning_rate": 1e-2,
    },
    "pairs, p-tuning": {"method": "p-tuning", **SOFT, "learning_rate": 1e-3},
    "packed pairs, lora": {**LORA, "share_prefix": False, "packing": True, "micro_batch": 1},
    "raw text, full": {"objective": TEXT_OBJECTIVE, **FULL},
    "raw text, lora": {"objective": TEXT_OBJECTIVE, **LORA},
    "raw text then pairs, lora": LORA,
    "infilling, full": {"objective": "infilling", **FULL},
    "infilling, lora": {"objective": "infilling", **LORA},
    "long context, longlora": {"objective": "long-context", **LORA, "method": "longlora", "learning_rate": 3e-4},
    "long context, lora": {"objective": "long-context", **LORA},
    "preference by dpo, full": {**COMPARED, "method": "full", "learning_rate": 2e-6},
    "preference by dpo, lora": {**COMPARED, **LORA, "learning_rate": 2e-4},
    "preference by orpo, lora": {**COMPARED, **LORA, "preference_loss": "orpo", "learning_rate": 2e-4},
    "preference by kto, lora": {**COMPARED, **LORA, "preference_loss": "kto", "learning_rate": 2e-4},
    "distillation of rows, lora": LORA,
    "distillation, lora": {"objective": "distillation", **LORA},
    "labels, probe": {"method": PROBE},
    "labels, lora": {"objective": LABELS, **LORA},
    "labels, full": {"objective": LABELS, **FULL},
}  # fmt: skip
# Rows that go on from what another row left: its model, or its adapter on the base as a teacher.
AFTER = {
    "raw text then pairs, lora": "raw text, full",
    "distillation of rows, lora": "pairs, lora",
    "distillation, lora": "pairs, lora",
}
TEXT = {"held_out": 0.0, "max_length": 256, "micro_batch": 4, "packing": True}
# What an objective has of its own.
OWN: dict[str, dict[str, Any]] = {
    "sft": {"learn_turns": "last", "share_prefix": True},
    "continued-pretraining": {**TEXT, "prompt_loss_weight": 1.0},
    "infilling": {**TEXT, "fim_rate": 0.9, "spm_rate": 0.5},
    "long-context": {"learn_turns": "last", "share_prefix": True, "scaling": "yarn", "scaling_factor": 2.0},
    "preference": {
        "preference_loss": "sigmoid", "preference_beta": 0.1, "label_smoothing": 0.0, "desirable_weight": 1.0,
        "undesirable_weight": 1.0, "micro_batch": 2, "max_length": 384,
    },
    "distillation": {
        "learn_turns": "last", "share_prefix": True, "distill_temperature": 2.0, "hard_label_weight": 0.5,
        "divergence": 0.0,
    },
    "classification-head": {"labels": "found"},
}  # fmt: skip


def params_of(name: str) -> dict[str, Any]:
    """The parameters of a row of the table; a probe has few of its own."""
    if RUNS[name]["method"] == PROBE:
        return {"labels": "found", "base_dtype": "bf16", "seed": 1}
    objective = str(RUNS[name].get("objective", "sft"))
    return COMMON | {"objective": objective} | OWN[objective] | RUNS[name]


def write_data(objective: str, folder: Path) -> None:
    """Write what an objective learns from and is validated on, and requests without answers, as JSON Lines.

    Raises:
        SystemExit: the data are not on this machine.
    """
    rows, (learned, held) = DATA.get(objective, _pairs)(), ROWS_OF.get(objective, PAIRS)
    asked = [{"prompt": row["prompt"]} for row in _pairs()[sum(PAIRS) : sum(PAIRS) + ASKED]]
    parts = {"train": rows[:learned], "validation": rows[learned : learned + held], "requests": asked}
    for name, part in parts.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part), encoding="utf-8")


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
# How the teacher of `distillation of rows` answers.
WRITTEN: dict[str, Any] = {
    "rows": ASKED, "task": "Intents and slots of requests to a voice assistant.", "examples": 0, "most_tries": 1.0,
    "keep_given_rows": False, "drop_duplicates": True, "near_duplicate": 0.9, "drop_overlap_with_test": False,
    "request_tokens": 64, "format": "text", "schema": None, "labels": None, "max_new_tokens": 64, "batch_size": 16,
    "dtype": "bf16", "quantization": "none", "decoding": "free", "grammar": None, "endpoint": None, "temperature": 1.0,
    "seed": 1,
}  # fmt: skip
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
    "liger_kernel": "never",
    "compile": "off",
    "distribution": "single",
    "packing": False,
    "length_grouped": True,
    "early_stopping_patience": None,
    "evaluations_per_epoch": 1,
    "checkpoint_s": 3600.0,
    "seed": 1,
}
