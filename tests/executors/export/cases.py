"""Plans that train, one for each method and objective, with rows in files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from executors.sources import Sources, sources_of
from planner.documents import DeviceFacts, HardwareRecord, Input, Pin, Step, fingerprint
from tests.executors.plans import make_plan
from tests.executors.tiny import make_tiny_model, tiny_rows

if TYPE_CHECKING:
    from pathlib import Path

BASE = "Qwen/Qwen3-0.6B"
INSTRUCTION = "Turn the request into JSON."
COMMON: dict[str, Any] = {
    "objective": "sft",
    "learning_rate": 0.0002,
    "schedule": "cosine",
    "warmup_ratio": 0.05,
    "epochs": 3.0,
    "micro_batch": 4,
    "accumulation": 2,
    "max_length": 256,
    "prompt_loss_weight": 0.0,
    "gradient_checkpointing": True,
    "optimizer": "adamw",
    "weight_decay": 0.01,
    "beta1": 0.9,
    "beta2": 0.95,
    "max_grad_norm": 1.0,
    "precision": "bf16",
    "base_dtype": "bf16",
    "attention": "sdpa",
    "distribution": "single",
    "packing": False,
    "length_grouped": True,
    "share_prefix": True,
    "liger_kernel": "never",
    "compile": "off",
    "early_stopping_patience": 2,
    "evaluations_per_epoch": 1,
    "checkpoint_s": 300.0,
    "seed": 7,
}
LOW_RANK: dict[str, Any] = {
    "rank": 16,
    "alpha": 32.0,
    "rank_scaling": "classic",
    "dropout": 0.05,
    "targets": "all-linear",
    "initialisation": "zero-output",
    "rate_ratio": 1.0,
}
METHODS: dict[str, dict[str, Any]] = {
    "full": {"method": "full", "learning_rate": 1e-5, "base_dtype": "fp32"},
    "partial": {"method": "partial", "layers_trained": 4, "modules_trained": "all", "learning_rate": 1e-5},
    "bitfit": {"method": "bitfit", "learning_rate": 1e-3},
    "galore": {"method": "galore", "rank": 64, "optimizer": "galore-adamw", "learning_rate": 1e-5},
    "lora": {"method": "lora", **LOW_RANK, "learn_turns": "last"},
    "turns": {"method": "lora", **LOW_RANK, "learn_turns": "last"},
    "lora-plus": {"method": "lora", **LOW_RANK, "rate_ratio": 16.0, "targets": ["q_proj", "v_proj"]},
    "pissa": {"method": "lora", **LOW_RANK, "initialisation": "pissa", "rank_scaling": "rslora", "base_dtype": "fp32"},
    "dora": {"method": "dora", **LOW_RANK},
    "qlora": {"method": "qlora", **LOW_RANK, "base_quantization": "nf4", "optimizer": "paged-adamw-8bit"},
    "qlora-int8": {"method": "qlora", **LOW_RANK, "base_quantization": "int8"},
    "ia3": {"method": "ia3", "learning_rate": 5e-3},
    "prompt-tuning": {"method": "prompt-tuning", "virtual_tokens": 20, "initialisation": "sampled-vocabulary"},
    "prefix-tuning": {
        "method": "prefix-tuning", "virtual_tokens": 20, "initialisation": "random", "gradient_checkpointing": False,
    },
    "p-tuning": {"method": "p-tuning", "virtual_tokens": 20, "initialisation": "random"},
    "adapter": {"method": "adapter", "bottleneck": 64},
    "continued-pretraining": {
        "method": "lora", **LOW_RANK, "objective": "continued-pretraining", "packing": True, "prompt_loss_weight": 1.0,
        "held_out": 0.1, "evaluations_per_epoch": 1, "early_stopping_patience": None,
    },
    "dpo": {
        "method": "lora", **LOW_RANK, "objective": "preference", "preference_beta": 0.1, "learning_rate": 5e-6,
        "preference_loss": "sigmoid", "label_smoothing": 0.0, "desirable_weight": 1.0, "undesirable_weight": 1.0,
        "evaluations_per_epoch": 0, "early_stopping_patience": None,
    },
    "kto": {
        "method": "qlora", **LOW_RANK, "base_quantization": "nf4", "objective": "preference", "preference_beta": 0.1,
        "learning_rate": 5e-6, "preference_loss": "kto", "label_smoothing": 0.0, "desirable_weight": 1.0,
        "undesirable_weight": 1.25, "evaluations_per_epoch": 0, "early_stopping_patience": None,
    },
    "zero-3": {
        "method": "full", "learning_rate": 1e-5, "base_dtype": "bf16", "distribution": "zero-3", "devices": 4,
        "nodes": 1, "offload": "optimizer",
    },
    "fsdp": {"method": "lora", **LOW_RANK, "distribution": "fsdp", "devices": 2, "nodes": 1},
    "ddp": {"method": "lora", **LOW_RANK, "distribution": "ddp", "devices": 8, "nodes": 2},
    "head": {
        "method": "lora", **LOW_RANK, "objective": "classification-head", "labels": ["on", "off"], "share_prefix": None,
        "prompt_loss_weight": 0.0,
    },
    "longer": {
        "method": "lora", **LOW_RANK, "objective": "long-context", "scaling": "yarn", "scaling_factor": 4.0,
        "max_length": 100_000, "learn_turns": "last",
    },
    "longlora": {
        "method": "longlora", **LOW_RANK, "objective": "long-context", "scaling": "linear", "scaling_factor": 2.0,
        "max_length": 60_000, "learn_turns": "last",
    },
    "infilling": {
        "method": "lora", **LOW_RANK, "objective": "infilling", "held_out": 0.2, "fim_rate": 1.0, "spm_rate": 0.5,
        "share_prefix": None, "length_grouped": False,
    },
    "evaluations": {"method": "lora", **LOW_RANK, "evaluations_per_epoch": 2, "prompt_loss_weight": 0.1},
}  # fmt: skip


def training_sources(folder: Path, case: str, *, chat: bool = True, base: Pin | None = None, **more: Any) -> Sources:
    """A plan of one training in a folder, as `adapt export` finds it.

    Args:
        folder: gets the rows.
        case: one of `METHODS`.
        chat: whether the base has a chat template.
        base: its pin; one on the hub by default.
        more: parameters that differ from the case's.
    """
    params = {**COMMON, **METHODS[case], **more}
    objective = params["objective"]
    roles = {"preference": "preferences", "continued-pretraining": "documents", "infilling": "documents"}
    role, labelled = roles.get(objective, "train"), objective == "classification-head"
    if objective == "infilling":
        # Gaps are cut by its tokens.
        if not (folder / "base").exists():
            make_tiny_model(folder / "base")
        base = Pin(kind="model", path="base", id="tiny/base")
    kind = "labelled" if labelled else "conversations" if case == "turns" else "plain"
    pins = {f"data/{role}": _pin(folder / _rows(folder, role, kind), folder)}
    inputs = {"model": Input(pin="model/base"), "train": Input(pin=f"data/{role}")}
    if objective not in ("continued-pretraining", "infilling", "classification-head"):
        inputs["prompt"] = Input(step="prompt/short", output="prompt")
    if params["evaluations_per_epoch"] and not params.get("held_out"):
        pins["data/validation"] = _pin(folder / _rows(folder, "validation", kind), folder)
        inputs["validation"] = Input(pin="data/validation")
    pins["model/base"] = base or Pin(kind="model", path=f"hub:{BASE}", id=BASE, revision="main", license="apache-2.0")
    train = Step(
        address="train/one",
        title=f"Train by {params['method']}",
        executor="train",
        version="1",
        inputs=inputs,
        params=params,
        outputs=("adapter",),
    )
    config = {
        "num_hidden_layers": 28, "model_type": "qwen3", "max_position_embeddings": 32768, "rope_theta": 1_000_000.0,
    }  # fmt: skip
    plan = make_plan(
        prompt_step(),
        train,
        pins=pins,
        name="tiny",
        surveyed={"models": {pins["model/base"].id or "": {"has_chat_template": chat, "config": config}}},
        hardware=HardwareRecord(
            source="declared", devices=(DeviceFacts(name="L4", kind="cuda", count=1, memory_bytes=24 * 10**9),)
        ),
    )
    return sources_of(plan, folder)


def prompt_step(address: str = "prompt/short") -> Step:
    """A prompt without examples."""
    params: dict[str, Any] = {
        "instruction": INSTRUCTION,
        "schema": None,
        "labels": None,
        "format": "json",
        "show_form": False,
        "examples": 0,
        "select": "balanced",
        "template": "plain",
        "fit": False,
        "seed": 0,
    }
    return Step(address=address, title="Prompt", executor="prompt", version="1", params=params, outputs=("prompt",))


def _rows(folder: Path, role: str, kind: str) -> str:
    rows: list[dict[str, Any]] = [*tiny_rows(6, start=20)] if role == "validation" else [*tiny_rows(12)]
    if role == "preferences":
        rows = [{"prompt": row["prompt"], "chosen": row["completion"], "rejected": "no"} for row in rows]
    if kind == "conversations":
        rows = [_conversation(row, then) for row, then in zip(rows, reversed(rows), strict=True)]
    if kind == "labelled":
        rows = [{"id": row["id"], "text": row["prompt"], "label": row["prompt"].split()[1]} for row in rows]
    if role == "documents":
        rows = [{"id": row["id"], "text": f"{row['prompt']} is what people say at home."} for row in rows]
    (folder / f"{role}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return f"{role}.jsonl"


def _conversation(row: dict[str, Any], then: dict[str, Any]) -> dict[str, Any]:
    """A request and its answer, and another behind them."""
    turns = [("user", row["prompt"]), ("assistant", row["completion"])]
    turns += [("user", then["prompt"]), ("assistant", then["completion"])]
    return {"id": row["id"], "messages": [{"role": role, "content": text} for role, text in turns]}


def _pin(path: Path, folder: Path) -> Pin:
    content, size = fingerprint(path)
    kind = "documents" if path.stem == "documents" else "dataset"
    return Pin(kind=kind, path=path.relative_to(folder).as_posix(), digest=content, bytes=size)
