"""Cross entropy weighted by token, on the logits of those tokens only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from executors.prefixed import told
from executors.varlen import VARLEN, in_one_row

if TYPE_CHECKING:
    from collections.abc import Sequence

# Logits that are held in fp32 at a time.
CHUNK_LOGITS = 2**23


class HeadRows:
    """Lets the output head of a model compute the wanted positions only.

    The vocabulary is the widest matrix of a small model: without this, most of its products are thrown away.
    """

    def __init__(self, model: Any, prepended: int = 0) -> None:
        """Watch the head of a model that puts so many virtual tokens before its input."""
        self._prepended = prepended
        self._kept: torch.Tensor | None = None
        # What is called may be a wrapper of the model, without its configuration.
        self._watched = model
        model.get_output_embeddings().register_forward_pre_hook(self._select)

    def logits(
        self,
        model: Any,
        ids: torch.Tensor,
        kept: torch.Tensor,
        places: torch.Tensor | None = None,
        prefix: tuple[int, int] | None = None,
    ) -> torch.Tensor:
        """Logits (wanted positions, vocabulary) of token ids (batch, length), padded on the right.

        There is no attention mask: with causal attention a token never sees the padding to its right. Where places
        are given, attention is kept within the rows that share a sequence; with a cache it would not be.

        Args:
            model: the model whose head was given.
            ids: token ids.
            kept: wanted positions, counted through the flattened ids.
            places: of each token in its row (batch, length), where several rows share a sequence: 0 begins a row.
            prefix: tokens that all rows share, and of the longest row, where they stand behind each other.
        """
        # Each row begins with its virtual tokens.
        self._kept = kept + (kept // ids.shape[1] + 1) * self._prepended
        more: dict[str, Any] = {} if places is None else {"position_ids": places}
        if self._watched.config._attn_implementation == VARLEN:
            ids, more = in_one_row(ids, places)
        if prefix is not None:
            more |= told(self._watched, *prefix)
        try:
            logits: torch.Tensor = model(input_ids=ids, use_cache=False, **more).logits
        finally:
            self._kept = None
        return logits

    def _select(self, _: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...] | None:
        return None if self._kept is None else (inputs[0].flatten(0, 1).index_select(0, self._kept), *inputs[1:])


def collate(rows: Sequence[dict[str, Any]], prompt_weight: float, pad_id: int) -> dict[str, Any]:
    """A batch of rows with `input_ids`, `labels` and `segments`: ids padded on the right, and what is learned where.

    Returns:
        `ids` (batch, length); `kept`: flattened positions whose next token counts; `targets`: those tokens;
        `weights`: their weights; `tokens`: how many tokens are no padding; `places` (batch, length): of each token in
        its row, None where no rows share a sequence.
    """
    length = max(len(row["input_ids"]) for row in rows)
    ids = torch.full((len(rows), length), pad_id)
    weights = torch.zeros(len(rows), length)
    shared = any(len(row["segments"]) > 1 for row in rows)
    places = torch.arange(length).repeat(len(rows), 1) if shared else None
    for number, row in enumerate(rows):
        end = len(row["input_ids"])
        ids[number, :end] = torch.as_tensor(row["input_ids"])
        # Position t predicts token t + 1.
        learned = torch.as_tensor(row["labels"])[1:] >= 0
        weights[number, : end - 1] = torch.where(learned, 1.0, prompt_weight)
        if places is not None:
            # What is padded is a row of its own, so that no other grows by it.
            begin = 0
            for segment in (*map(int, row["segments"]), length - end):
                places[number, begin : begin + segment] = torch.arange(segment)
                # No row predicts how the next begins.
                weights[number, begin + segment - 1 : begin + segment] = 0.0
                begin += segment
    weights = weights.flatten()
    kept = weights.nonzero().squeeze(1)
    targets = ids.roll(-1, dims=1).flatten()[kept]
    tokens = sum(len(row["input_ids"]) for row in rows)
    found = {"ids": ids, "kept": kept, "targets": targets, "weights": weights[kept], "tokens": tokens}
    return found | {"places": places}


def weighted_loss(logits: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The weighted sum of negative log-likelihoods, in fp32; the logits are used up.

    Args:
        logits: (tokens, vocabulary) in any floating-point type.
        targets: (tokens,) ids.
        weights: (tokens,) in fp32.
    """
    return (token_losses(logits, targets) * weights).sum()


def token_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """The negative log-likelihood of each token (tokens,), in fp32; the logits are used up.

    The gradient is written over the logits piece by piece, so that neither a second copy nor one in fp32 is held.

    Args:
        logits: (tokens, vocabulary) in any floating-point type.
        targets: (tokens,) ids.
    """
    losses: torch.Tensor = _TokenLosses.apply(logits, targets)
    return losses


class _TokenLosses(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        losses = []
        rows = max(1, CHUNK_LOGITS // logits.shape[1])
        for piece, target in zip(logits.split(rows), targets[:, None].split(rows), strict=True):
            wide = piece.float()
            norm = wide.logsumexp(1, keepdim=True)
            losses.append((norm - wide.gather(1, target)).squeeze(1))
            if ctx.needs_input_grad[0]:
                gradient = (wide - norm).exp_()
                piece.copy_(gradient.scatter_add_(1, target, torch.full_like(norm, -1.0)))
        ctx.gradient = logits
        return torch.cat(losses)

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor, None]:
        # What a graph remembers outlives its backward pass, and this is as large as the logits.
        gradient, ctx.gradient = ctx.gradient, None
        return gradient.mul_(outer[0][:, None]), None
