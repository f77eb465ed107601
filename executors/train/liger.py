"""Liger's kernels for norms, rotary positions and gated layers, by the switch of transformers [hsu-2024-liger].

Its fused losses are left out: here the head computes the wanted positions alone, in pieces of its own.
"""

from __future__ import annotations

import importlib.util
from typing import Any

PACKAGE = "liger_kernel"
# The others keep their defaults: all that an architecture has.
WITHOUT_LOSSES = {"cross_entropy": False, "fused_linear_cross_entropy": False}


def is_installed() -> bool:
    """Whether the package is there; it is not imported."""
    return importlib.util.find_spec(PACKAGE) is not None


def unsupported(liger_kernel: str, device: str) -> str | None:
    """Why a device cannot run them, in one sentence; None when it can, or need not."""
    if liger_kernel != "when-installed" or device == "cuda":
        return None
    return f"Liger's kernels are written for CUDA devices; this is {device}."


def use(model: Any) -> str | None:
    """Let a model compute by the kernels that there are for it; in one sentence why there are none, else None."""
    from transformers.integrations.liger import apply_liger_kernel

    if not is_installed():
        return "The package liger-kernel is not installed."
    apply_liger_kernel(model, WITHOUT_LOSSES)
    return None if in_use(model) else f"Liger has no kernels for {model.config.model_type}."


def in_use(model: Any) -> bool:
    """Whether some layer computes by one of them."""
    return any(str(layer.forward.__module__).partition(".")[0] == PACKAGE for layer in model.modules())
