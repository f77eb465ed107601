"""Bytes of logits and their gradients: often the largest term of a step."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, NamedTuple

from planner.memory.own_loss import learned_tokens, own_loss_bytes
from planner.memory.regime import FP32, HALF

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.regime import Regime
    from planner.memory.setting import TrainingSetting


class Logits(NamedTuple):
    """Bytes at the end of the forward pass, in the backward of the loss, and of the gradient the output layer gets."""

    forward: float
    backward: float
    gradient: float


def logit_bytes(architecture: Architecture, setting: TrainingSetting, regime: Regime, tokens: int) -> Logits:
    """Return what the loss holds.

    transformers upcasts logits to fp32; log-softmax keeps its fp32 output and its backward holds two more of it, so
    12 bytes a token and vocabulary entry, 10 at the end of the forward pass [transformers: loss_utils.ForCausalLMLoss].
    A soft cap keeps its tanh, and outputs kept alive keep the logits. The fused loss works on chunks of tokens and
    keeps only the gradient of its input [liger-kernel-2024: fused_linear_cross_entropy].
    """
    if setting.trainer == "adapt":
        return Logits(*own_loss_bytes(architecture, setting, regime, learned_tokens(setting, tokens)))
    vocab = architecture.vocab
    value = regime.product
    if setting.loss == "fused":
        chunks = ceil(vocab / architecture.hidden)
        rows = 1 << max(0, ceil(tokens / chunks) - 1).bit_length()
        chunk = rows * vocab * (value + FP32)
        gradient = tokens * architecture.hidden * value
        return Logits(chunk + gradient, gradient, gradient)
    if setting.method == "linear-probe":
        return Logits(0.0, 0.0, 0.0)
    cells = float(tokens * vocab)
    capped = value if architecture.soft_capped_logits else 0
    kept = value if setting.outputs_kept else 0
    # A teacher or a reference adds its own logits and their fp32 log-probabilities.
    kept += {"preference": value, "distillation": value + 2 * FP32}.get(setting.objective, 0)
    upcast = FP32 if value == HALF else 0
    forward = cells * (value + upcast + FP32 + capped)
    backward = cells * (3 * FP32 + capped + kept)
    return Logits(forward, backward, cells * (value + kept + capped))
