"""Finds the shared measurements and turns their rows into settings."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from planner.memory import TrainingSetting

ROOT = Path(__file__).resolve().parents[3]
OPTIMIZERS = {
    "adamw_fused": "adamw",
    "adamw_loop": "adamw",
    "adamw_foreach": "adamw-foreach",
    "adamw_8bit": "adamw-8bit",
    "paged_adamw_8bit": "paged-adamw-8bit",
    "sgd": "sgd",
}
PRECISION = {"full_bf16": "bf16", "full_amp": "amp", "full_fp32": "fp32"}


def shared(name: str) -> list[dict[str, Any]]:
    """Rows of a shared measurement file, or a skip that says why."""
    folder = Path(os.environ.get("ADAPT_SHARED", ROOT.parent / "shared"))
    path = folder / "memory" / name
    if not path.is_file():
        pytest.skip(f"{name} is not at hand: set ADAPT_SHARED or put ../shared beside the repository")
    rows = json.loads(path.read_text(encoding="utf-8"))
    return rows["rows"] if isinstance(rows, dict) else rows


def recorded(name: str) -> list[dict[str, Any]]:
    """Rows of a file of simulated steps beside these tests."""
    path = Path(__file__).with_name(name)
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def setting_of(case: dict[str, Any]) -> TrainingSetting:
    """The setting that a measured or simulated step ran with."""
    method, quant = case["method"], case.get("quant")
    fields: dict[str, Any] = {
        "batch": case["batch"],
        "sequence": case["seq"],
        "optimizer": OPTIMIZERS[case["optimizer"]],
        "checkpointing": case["checkpointing"],
        "attention": case["attn"],
        "accumulation": case.get("grad_accum", 1),
        "outputs_kept": bool(case.get("outputs_kept")),
        "dropout": case.get("lora_dropout") or 0.0,
        "padding_mask": bool(case.get("mask")),
    }
    if method in PRECISION:
        fields |= {"method": "full", "precision": PRECISION[method]}
        if method == "full_amp" and case.get("dtype") == "bf16":
            fields["base_dtype"] = "bf16"
        return TrainingSetting(**fields)
    targets = case["target_modules"]
    fields |= {
        "method": "qlora" if quant else "dora" if case.get("dora") else "lora",
        "rank": case["rank"],
        "targets": targets if targets == "all-linear" else tuple(targets),
        "precision": "bf16" if method.endswith("noamp") else "amp",
        "adapter_dtype": case.get("adapter_dtype") or "fp32",
    }
    if quant:
        fields |= {"double_quantization": quant["double_quant"], "kbit_preparation": quant["kbit_prep"]}
    if case.get("base_fp32"):
        fields["base_dtype"] = "fp32"
    return TrainingSetting(**fields)


def peak_of(case: dict[str, Any]) -> float:
    """The measured or simulated peak, in bytes."""
    return case.get("peak_alloc_sim") or case["peak_bytes"]
