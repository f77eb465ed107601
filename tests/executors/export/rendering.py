"""Exports of every case of `cases` by every target: those that are possible, and what changes a parameter of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.export import recipes
from executors.export.recipes import RECIPES
from executors.export.trainings import trainings
from tests.executors.export.cases import METHODS, training_sources

if TYPE_CHECKING:
    from pathlib import Path

    from executors.export.rendered import Rendered

# What another value of a parameter is; those that a method lacks are passed over.
OTHER: dict[str, Any] = {
    "learning_rate": 0.0123,
    "schedule": "linear",
    "warmup_ratio": 0.5,
    "epochs": 7.0,
    "micro_batch": 16,
    "accumulation": 3,
    "max_length": 99,
    "prompt_loss_weight": 1.0,
    "gradient_checkpointing": False,
    "optimizer": "adamw-8bit",
    "weight_decay": 0.5,
    "beta1": 0.5,
    "beta2": 0.5,
    "max_grad_norm": 9.0,
    "precision": "fp32",
    "base_dtype": "fp32",
    "attention": "eager",
    "distribution": "ddp",
    "packing": True,
    "length_grouped": False,
    "early_stopping_patience": 5,
    "evaluations_per_epoch": 4,
    "checkpoint_s": 9.0,
    "seed": 3,
    "rank": 3,
    "alpha": 5.0,
    "rank_scaling": "rslora",
    "dropout": 0.5,
    "targets": ["q_proj"],
    "initialisation": "olora",
    "rate_ratio": 4.0,
    "base_quantization": "int8",
    "layers_trained": 2,
    "devices": 16,
    "learn_turns": "all",
    "modules_trained": ["self_attn"],
}


def render(folder: Path, target: str, case: str, **more: Any) -> Rendered:
    """The export of a case, with some parameters of its own."""
    [training] = trainings(training_sources(folder, case, **more))
    return recipes.render(target, training)


def possible(target: str) -> list[str]:
    """The cases that a target does not refuse."""
    refused = {
        "axolotl": {"kto", "ia3", "prompt-tuning", "prefix-tuning", "p-tuning", "adapter", "head", "longlora"},
        "llama-factory": {"ia3", "prompt-tuning", "prefix-tuning", "p-tuning", "adapter", "bitfit", "head"},
        "openai": {"continued-pretraining", "kto", "head", "infilling"},
        "trl": {"adapter", "longlora"},
        "unsloth": {
            "partial", "bitfit", "galore", "dora", "ia3", "prompt-tuning", "prefix-tuning", "p-tuning", "adapter",
            "kto", "head", "infilling", "longlora",
        },
    }  # fmt: skip
    return [case for case in METHODS if case not in refused[target]]


ALL = [(target, case) for target in RECIPES for case in possible(target)]


def another(target: str, case: str, name: str, value: Any) -> dict[str, Any]:
    """Parameters with another value of one of them; empty where the case cannot have one, or it means nothing."""
    idle = {
        "packing": case in ("dpo", "kto"),
        "prompt_loss_weight": case in ("continued-pretraining", "dpo", "kto"),
        "length_grouped": (target, case) == ("trl", "kto"),  # the loss fixes the order of rows
        "base_dtype": case == "pissa",
        "devices": target == "unsloth",
        "learn_turns": case != "turns",  # one answer a row
        "evaluations_per_epoch": "devices" in METHODS[case],  # too few rows for several
        "initialisation": "rank" not in METHODS[case] and case != "prefix-tuning",
    }
    if name not in OTHER or value in (None, 0) or idle.get(name):
        return {}
    special = {
        ("initialisation", "prefix-tuning"): {name: "zero-output"},
        ("packing", "continued-pretraining"): {name: False},
        ("evaluations_per_epoch", "evaluations"): {name: 1},
    }
    if name == "distribution":
        return {name: "ddp" if value != "ddp" else "fsdp", "devices": 3, "nodes": 1, "offload": None}
    changed = special.get((name, case), {name: OTHER[name]})
    return {} if changed[name] == value else changed
