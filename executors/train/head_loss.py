"""Cross entropy without logits: the output head and the loss are computed piece by piece, and forgotten.

For long rows and large vocabularies the logits of a batch, and their gradient, outweigh everything else that training
holds. Their gradient is known as soon as they are, since the loss is a sum; so each piece is turned into the gradient
of its hidden states at once, and nothing is computed twice [liger-kernel].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch.distributed.tensor import DTensor

from executors.train.loss import CHUNK_LOGITS, HeadRows, weighted_loss

if TYPE_CHECKING:
    from collections.abc import Mapping

# Of these, so many at a time in fp32 on a processor: they stay in its cache between one operation and the next.
CACHED_LOGITS = 2**19


class HeadLoss(HeadRows):
    """The weighted loss of a batch, in pieces wherever the logits are nothing but a product with the head's matrix."""

    def __init__(self, model: Any, prepended: int = 0) -> None:
        """Watch the head of a model that puts so many virtual tokens before its input."""
        super().__init__(model, prepended)
        self._head = model.get_output_embeddings()
        self._in_pieces = type(self._head) is torch.nn.Linear
        self._tried = False

    def loss(self, model: Any, batch: Mapping[str, Any]) -> torch.Tensor:
        """The weighted sum of negative log-likelihoods of `targets` at the positions `kept`.

        Args:
            model: the model whose head was given.
            batch: as `collate` makes it.
        """
        asked = (model, batch["ids"], batch["kept"], batch.get("places"), batch.get("prefix"))
        # ZeRO-3 lends a matrix to its own layer only.
        if self._in_pieces and not hasattr(self._head.weight, "ds_id"):
            states = None if self._tried else _random_states(batch["ids"].device)
            hidden, self._tried = self._hidden(*asked), True
            if hidden is not None:
                return head_loss(hidden, self._head, batch["targets"], batch["weights"])
            # The model scales or caps its logits, or the head's matrix is elsewhere by now.
            self._in_pieces = False
            # What goes on from a checkpoint tries once more, and must draw what the undisturbed run did.
            for source, state in states or ():
                source.set_rng_state(state)
        return weighted_loss(self.logits(*asked), batch["targets"], batch["weights"])

    def _hidden(self, *asked: Any) -> torch.Tensor | None:
        """What the head would have been given; None where its product is not what the model returns, or not to be had.

        A head that passes on what it is given shows both: the model must return that very tensor.
        """
        given: list[torch.Tensor] = []

        def passed_on(hidden: torch.Tensor) -> torch.Tensor:
            given.append(hidden)
            return hidden

        self._head.forward = passed_on
        try:
            returned = self.logits(*asked)
        finally:
            del self._head.forward
        weight = self._head.weight
        here = weight.shape == (self._head.out_features, self._head.in_features) and not isinstance(weight, DTensor)
        return returned if here and len(given) == 1 and given[0] is returned else None


def _random_states(device: torch.device) -> list[tuple[Any, torch.Tensor]]:
    """The states that dropout draws from, each with the module that sets it."""
    sources = [torch] if device.type == "cpu" else [torch, torch.get_device_module(device)]
    return [(source, source.get_rng_state()) for source in sources]


def head_loss(hidden: torch.Tensor, head: Any, targets: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The weighted sum of negative log-likelihoods, in fp32.

    Args:
        hidden: (tokens, width) what the head is given.
        head: a linear layer onto the vocabulary.
        targets: (tokens,) ids.
        weights: (tokens,) in fp32.
    """
    kind = hidden.device.type
    dtype = torch.get_autocast_dtype(kind) if torch.is_autocast_enabled(kind) else hidden.dtype
    total: torch.Tensor = _HeadLoss.apply(hidden, head.weight, head.bias, targets, weights, dtype)
    return total


def _put_gradient(logits: torch.Tensor, target: torch.Tensor, weight: torch.Tensor, *, wanted: bool) -> torch.Tensor:
    """The weighted loss of some tokens; where it is wanted, their gradient is written over their logits."""
    wide = logits.float()
    highest, said = wide.amax(1, keepdim=True), wide.gather(1, target)
    # Each exponential is computed once: for the sum, and for the gradient.
    summed = wide.sub_(highest).exp_().sum(1, keepdim=True)
    loss = ((summed.log() + highest - said) * weight).sum()
    if wanted:
        logits.copy_(wide.mul_(weight / summed).scatter_add_(1, target, -weight))
    return loss


class _HeadLoss(torch.autograd.Function):  # type: ignore[misc]
    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        matrix: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        weights: torch.Tensor,
        dtype: torch.dtype,
    ) -> torch.Tensor:
        wants = ctx.needs_input_grad[:3]
        total = torch.zeros((), device=hidden.device)
        given, rows = matrix.to(dtype), max(1, CHUNK_LOGITS // matrix.shape[0])
        added = None if bias is None else bias.to(dtype)
        of_hidden = torch.empty_like(hidden) if wants[0] else None
        of_matrix = torch.zeros_like(matrix) if wants[1] else None
        of_bias = torch.zeros_like(bias) if bias is not None and wants[2] else None
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, hidden.shape[0], rows):
                piece = slice(start, start + rows)
                seen, target, weight = hidden[piece].to(dtype), targets[piece, None], weights[piece, None]
                gradient = torch.nn.functional.linear(seen, given, added)
                few = max(1, CACHED_LOGITS // matrix.shape[0]) if hidden.device.type == "cpu" else rows
                for part in zip(gradient.split(few), target.split(few), weight.split(few), strict=True):
                    total += _put_gradient(*part, wanted=any(wants))
                if not any(wants):
                    continue
                if of_hidden is not None:
                    of_hidden[piece] = gradient @ given
                if of_matrix is not None:
                    of_matrix += gradient.T @ seen
                if of_bias is not None:
                    of_bias += gradient.sum(0)
        ctx.gradients = (of_hidden, of_matrix, of_bias)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        # What a graph remembers outlives its backward pass.
        gradients, ctx.gradients = ctx.gradients, ()
        scaled = [None if found is None else found.mul_(outer[0]) for found in gradients]
        return (*scaled, None, None, None)
