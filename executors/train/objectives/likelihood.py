"""How likely a model finds answers, token by token, and how likely its reference found them."""

from __future__ import annotations

import hashlib
import json
from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import torch

from executors.files import write_atomic
from executors.train.loss import HeadRows, token_losses
from executors.train.precision import autocast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.train.examples import Example
    from executors.train.methods.applied import Applied
    from executors.train.training import Training

# These do not start as the base: what they put before the input changes it from the first step.
STRANGE_AT_START = frozenset({"prompt-tuning", "prefix-tuning", "p-tuning"})


class Scores:
    """Called as the losses of trl call a model with a fused head: log-probabilities of the wanted tokens alone.

    Neither the logits of prompts and padding are computed, nor what trl would only log.
    """

    def __init__(self, applied: Applied, plan: Training) -> None:
        self.applied, self.plan = applied, plan
        self.head = HeadRows(applied.model, applied.prepended)

    def __call__(
        self, model: Any = None, *, input_ids: torch.Tensor, labels: torch.Tensor, **_: Any
    ) -> SimpleNamespace:
        """Log-probabilities (rows, length - 1) of the labels that are not masked; 0 elsewhere.

        Args:
            model: the model as a trainer wraps it; by default as it is.
            input_ids: (rows, length), padded on the right.
            labels: the same ids, below 0 where they are not wanted.
        """
        # Position t predicts token t + 1.
        wanted = labels.roll(-1, dims=1) >= 0
        wanted[:, -1] = False
        kept = wanted.flatten().nonzero().squeeze(1)
        with autocast(self.plan.params.precision, self.plan.device):
            logits = self.head.logits(model or self.applied.model, input_ids, kept)
        targets = input_ids.roll(-1, dims=1).flatten()[kept]
        found = torch.zeros(input_ids.numel(), device=input_ids.device)
        found = found.index_put((kept,), -token_losses(logits, targets)).view(input_ids.shape)[:, :-1]
        nothing = torch.zeros_like(found)
        return SimpleNamespace(log_probs=found, entropy=nothing, mean_logits=nothing, is_top1=nothing.bool())


def padded(examples: Sequence[dict[str, Any]], pad_id: int) -> dict[str, torch.Tensor]:
    """Sequences with `input_ids` and `labels`, padded on the right: ids, and 1 where an answer is read."""
    length = max(len(each["input_ids"]) for each in examples)
    ids = torch.full((len(examples), length), pad_id)
    mask = torch.zeros_like(ids)
    for number, each in enumerate(examples):
        end = len(each["input_ids"])
        ids[number, :end] = torch.tensor(each["input_ids"])
        mask[number, :end] = torch.tensor(each["labels"]) >= 0
    return {"input_ids": ids, "completion_mask": mask}


def reference(scores: Scores, examples: Sequence[Example]) -> list[float]:
    """The log-probability of each answer under the model that training starts from.

    Computed once, so that no second model is held, and kept beside the checkpoints: what is compared with is the same
    after a kill.

    Args:
        scores: of the model as it is before the first step.
        examples: sequences in an order that never changes.
    """
    ids = json.dumps([[example.ids, example.labels] for example in examples])
    file = scores.plan.folder / f"reference-{hashlib.sha256(ids.encode()).hexdigest()[:16]}.json"
    ranks = scores.plan.ranks
    if ranks.agreed(file.is_file()):
        found: list[float] = json.loads(file.read_text(encoding="utf-8"))
        return found
    found = _scored(scores, examples)
    if ranks.first:
        write_atomic(file, json.dumps(found))
    return found


@torch.no_grad()  # type: ignore[untyped-decorator]
def _scored(scores: Scores, examples: Sequence[Example]) -> list[float]:
    applied, plan, ranks = scores.applied, scores.plan, scores.plan.ranks
    found = torch.zeros(len(examples))
    order = sorted(range(len(examples)), key=lambda at: (-len(examples[at].ids), at))
    # A step reads two sequences a row.
    size = 2 * plan.params.micro_batch
    as_base = nullcontext()
    if plan.params.method in STRANGE_AT_START:
        as_base, scores = applied.model.disable_adapter(), Scores(replace(applied, prepended=0), plan)
    applied.model.eval()
    with as_base:
        for start in range(size * ranks.number, len(order) + size * ranks.number, size * ranks.count):
            numbers = order[start : start + size]
            # All must compute together, since each may hold a part of the weights.
            shown = numbers or order[:1]
            batch = padded([examples[at].encoded for at in shown], plan.ready.tokenizer.pad_token_id)
            ids, mask = (batch[name].to(plan.device) for name in ("input_ids", "completion_mask"))
            said = scores(input_ids=ids, labels=ids.masked_fill(mask == 0, -1)).log_probs.sum(1).cpu()
            found[numbers] = said[: len(numbers)]
    applied.model.train()
    whole: list[float] = ranks.sum(found).tolist()
    return whole
