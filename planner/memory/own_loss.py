"""Bytes of the losses that `adapt run` computes: on the learned tokens alone, piece by piece.

Of supervised training no logits are kept at all, of comparisons one copy that its own gradient is written over, of
distillation those of both models. Counted from executors/train (head_loss.py, loss.py, objectives/distilling.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.regime import FP32, HALF

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.regime import Regime
    from planner.memory.setting import TrainingSetting

#: Logits that are worked on at a time [executors/train/loss.py: CHUNK_LOGITS].
PIECE = 2**23
#: Bytes a logit of a piece that trl's divergence and the cross entropy hold, forward and backward.
DISTILLED, DISTILLED_BACK = 28, 34


def learned_tokens(setting: TrainingSetting, tokens: int) -> int:
    """Tokens of a micro-batch whose logits are computed: those of answers, all where that is not said."""
    if setting.trainer != "adapt" or setting.answer is None:
        return tokens
    pairs = 2 if setting.objective == "preference" else 1
    return min(tokens, setting.batch * pairs * setting.answer)


def own_loss_bytes(
    architecture: Architecture, setting: TrainingSetting, regime: Regime, tokens: int
) -> tuple[float, float, float]:
    """Return bytes at the end of the forward pass, in the backward of the loss, and as the output layer's gradient.

    Args:
        architecture: of the model.
        setting: with `trainer` adapt.
        regime: dtypes of this setting.
        tokens: that are learned, of a micro-batch.
    """
    if setting.objective == "classification-head":
        return 0.0, 0.0, 0.0
    value, vocab, hidden = regime.product, architecture.vocab, architecture.hidden
    rows = max(1, PIECE // vocab)
    several = tokens > rows
    piece = float(min(tokens, rows) * vocab)
    cells = float(tokens * vocab)
    if setting.objective == "preference":
        # In fp32 no wide copy of a piece is made.
        wide = (3 if several else 2) * FP32 if value == HALF else (2 if several else 1) * FP32
        # By the time that the output layer's own gradient is widened, the logits are gone.
        return cells * value + piece * wide, cells * value, 0.0 if regime.trains_all else cells * value
    if setting.objective == "distillation":
        both = 2 * cells * value
        return both + piece * DISTILLED, both + cells * value + piece * DISTILLED_BACK, both
    if architecture.soft_capped_logits:
        return cells * (value + FP32) + piece * 3 * FP32, cells * (value + FP32), cells * value
    gradient = float(tokens * hidden * value)
    matrix = float(FP32 * vocab * hidden) if regime.trains_all else 0.0
    copies = HALF * vocab * hidden if regime.trains_all and regime.autocast else 0
    wide = (3 if several and value == HALF else 2) * FP32
    return gradient + matrix + copies + piece * wide, gradient + matrix, gradient
