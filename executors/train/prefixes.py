"""Batches of rows that begin alike, such as with the same instruction: what they share is computed once.

Losses and gradients are those of the rows side by side, but for rounding: what the shared tokens predict counts once
for each row. Dropout draws once for the shared tokens, where it would draw for each row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from executors.prefixed import PLAIN, PREFIXED, register
from executors.train.loss import collate
from executors.train.packing import PROBE_TOKENS, ROUNDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.train.loss import HeadRows

# Share of a batch's tokens that must be spared: attention in two parts costs something too.
LEAST_SPARED = 0.05
# Layers in which a token is reached by attention alone.
KEPT_APART = frozenset({"full_attention", "sliding_attention"})


def collate_prefixed(rows: Sequence[dict[str, Any]], prompt_weight: float, pad_id: int) -> dict[str, Any]:
    """A batch as `collate` makes it, its rows in one sequence behind what all begin with, where that spares enough.

    Returns:
        As `collate` does, with `ids` (1, prefix + rows x rest), each rest padded to the longest, and `prefix`: tokens
        that all rows share, and of the longest row.
    """
    length = max(len(row["input_ids"]) for row in rows)
    prefix = common(rows)
    if prefix * (len(rows) - 1) < max(1, LEAST_SPARED * len(rows) * length):
        return collate(rows, prompt_weight, pad_id)
    return behind(rows, prefix, prompt_weight, pad_id)


def common(rows: Sequence[dict[str, Any]]) -> int:
    """Tokens that all rows begin with."""
    least = min(len(row["input_ids"]) for row in rows)
    begins = torch.stack([torch.as_tensor(row["input_ids"])[:least] for row in rows])
    return int((begins == begins[0]).all(0).cumprod(0).sum())


def behind(rows: Sequence[dict[str, Any]], prefix: int, prompt_weight: float, pad_id: int) -> dict[str, Any]:
    """Rows in one sequence behind the tokens that all begin with, of which there is one at least."""
    side = collate(rows, prompt_weight, pad_id)
    ids, length = side["ids"], side["ids"].shape[1]
    rest = length - prefix
    weights = torch.zeros(ids.numel()).index_put((side["kept"],), side["weights"]).view(ids.shape)
    # What a shared token predicts is alike in all rows, but for the last.
    alike = max(prefix - 1, 0)
    weights[0, :alike] = weights[:, :alike].sum(0)
    weights[1:, :alike] = 0.0
    places = torch.arange(length).repeat(len(rows), 1)
    spots = places + torch.arange(len(rows))[:, None] * rest * (places >= prefix)
    kept = weights.flatten().nonzero().squeeze(1)
    return side | {
        "ids": torch.cat([ids[0, :prefix], ids[:, prefix:].flatten()])[None],
        "places": torch.cat([places[0, :prefix], places[:, prefix:].flatten()])[None],
        "kept": spots.flatten()[kept],
        "targets": ids.roll(-1, dims=1).flatten()[kept],
        "weights": weights.flatten()[kept],
        "prefix": (prefix, length),
    }


def allow(model: Any, head: HeadRows, longest: int) -> str | None:
    """Let the rows of a batch share what they begin with; in one sentence why this model cannot, None when it can.

    Args:
        model: as it is trained; its kernel of attention is set, or left as it is where it cannot.
        head: of the model.
        longest: tokens of the longest row.
    """
    config = model.config
    text = config.get_text_config()
    kinds = set(getattr(text, "layer_types", None) or KEPT_APART) - KEPT_APART
    if kinds:
        return f"Layers of {', '.join(sorted(kinds))} carry a state from token to token."
    window = getattr(text, "sliding_window", None)
    if window is not None and window < longest:
        return f"The model sees {window} tokens at a time, and the longest row has {longest}."
    kernel = config._attn_implementation
    if kernel not in PREFIXED:
        return f"Attention {kernel} cannot be told what rows share."
    register()
    config._attn_implementation = PREFIXED[kernel]
    try:
        apart = _difference(model, head) <= ROUNDING
    except (TypeError, ValueError, RuntimeError, AttributeError, KeyError):
        apart = False
    if apart:
        return None
    forbid(model)
    return "Rows behind a shared beginning have other logits in this model than alone."


def forbid(model: Any) -> None:
    """Give a model back the kernel that it was loaded with."""
    kernel = model.config._attn_implementation
    model.config._attn_implementation = PLAIN.get(kernel, kernel)


def _difference(model: Any, head: HeadRows) -> float:
    """By how much the logits of a row change behind another, over those alone, by their norms."""
    vocabulary = model.get_input_embeddings().weight.shape[0]
    third = PROBE_TOKENS // 3
    tokens = torch.arange(PROBE_TOKENS) % vocabulary
    rows = [torch.cat([tokens[:third], tokens[begin : begin + third]]) for begin in (third, 2 * third)]
    encoded = [{"input_ids": row, "labels": row, "segments": [len(row)]} for row in rows]
    batch, alone = behind(encoded, third, 1.0, 0), behind(encoded[1:], third, 1.0, 0)
    training = model.training
    model.eval()
    with torch.no_grad():
        ids, places = (batch[name].to(model.device) for name in ("ids", "places"))
        last = torch.arange(2 * third, 3 * third, device=model.device)
        together = head.logits(model, ids, last, places, batch["prefix"]).float()
        by_itself = head.logits(model, alone["ids"].to(model.device), last - third).float()
    model.train(training)
    return float((together - by_itself).norm() / by_itself.norm())
