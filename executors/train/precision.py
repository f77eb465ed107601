"""What matrix products are computed in, and whether this device can."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

Precision = Literal["fp32", "bf16", "fp16"]


def unsupported(precision: Precision, device: str) -> str | None:
    """Why a device cannot compute so, in one sentence; None when it can."""
    if precision == "bf16" and device == "cpu" and not _cpu_bf16():
        return "This processor has no bfloat16 instructions, with which precision bf16 would be slower than fp32."
    if precision == "bf16" and device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return f"{torch.cuda.get_device_name()} has no bfloat16 arithmetic."
    if precision == "fp16" and device != "cuda":
        return f"Precision fp16 scales its loss, which works on CUDA devices only; this is {device}."
    return None


def cannot_page(optimizer: str, device: str) -> str | None:
    """Why an optimizer cannot keep its states here, in one sentence; None when it can."""
    if optimizer.startswith("paged") and (device != "cuda" or torch.version.hip):
        return f"Optimizer {optimizer} pages its states through CUDA's unified memory; this is {device}."
    return None


def autocast(precision: Precision, device: str) -> AbstractContextManager[object]:
    """The context that a forward pass computes in; fp16 is left to accelerate, which also scales the loss."""
    if precision == "bf16":
        context: AbstractContextManager[object] = torch.autocast(device, dtype=torch.bfloat16)
        return context
    return nullcontext()


def _cpu_bf16() -> bool:
    found = torch.cpu.get_capabilities()
    return any(found.get(name) for name in ("avx512_bf16", "amx_bf16", "bf16", "sve_bf16"))
