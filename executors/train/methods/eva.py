"""EVA: adapters that begin at the directions in which the inputs of their layers vary most [paischer-2024-eva]."""

from __future__ import annotations

import random
import warnings
from typing import TYPE_CHECKING, Any

import torch

from executors.train.examples import IGNORED
from executors.train.precision import autocast
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.train.examples import Example
    from executors.train.params import TrainParams

# Positions that a batch holds at least, as many times the rank: fewer leave directions undefined.
LEAST = 4
# Batches that are looked at, until the directions stay; each takes as many decompositions as the model has inputs.
BATCHES = 4
# Below any cosine: every direction counts as one that stays.
ANY = -2.0


def begin(model: Any, params: TrainParams, rows: Sequence[Example], pad: int, device: str) -> None:
    """Set the input side of every adapter by rows of the training; the output side stays at zero.

    Args:
        model: with adapters, by peft.
        params: of the training.
        rows: that it learns from.
        pad: the token that fills up.
        device: that the model is on.

    Raises:
        InputError: the rows are too few to find as many directions as the rank.
    """
    from peft import initialize_lora_eva_weights
    from peft.tuners.lora.eva import SVDHook

    batches = [_tensors(batch, pad, device) for batch in _batches(rows, params)]
    if not batches:
        message = f"Initialisation eva needs {LEAST * (params.rank or 1)} tokens to learn, which the rows do not hold."
        raise InputError.one("TRAIN017", message, "Lower the rank, or start from zero-output.")
    # The head is left out: no adapter stands beside it, and its scores would take more memory than all the rest.
    base = model.get_base_model()
    body = getattr(base, base.base_model_prefix)

    seen: list[Any] = []

    def forward(_: Any, batch: dict[str, torch.Tensor]) -> None:
        seen.append(batch)
        if len(seen) > BATCHES:
            # What still turns is taken as it is: by itself peft would look on without end.
            for hook in (each for module in body.modules() for each in module._forward_hooks.values()):
                if isinstance(hook, SVDHook):
                    hook.sim_thresh = ANY
        with torch.no_grad(), autocast(params.precision, device):
            body(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)

    with warnings.catch_warnings():
        # That weights are set is what is asked for.
        warnings.simplefilter("ignore", UserWarning)
        # Every process looks at the same rows, so that all begin alike.
        initialize_lora_eva_weights(
            model, batches, forward_fn=forward, gather_distributed_inputs=False, show_progress_bar=False
        )


def _batches(rows: Sequence[Example], params: TrainParams) -> list[list[Example]]:
    """Batches in an order that never changes, each with enough positions that are learned."""
    order = list(rows)
    random.Random(params.seed).shuffle(order)  # noqa: S311 - an order, not a secret
    batches: list[list[Example]] = []
    batch: list[Example] = []
    seen = 0
    for row in order:
        batch.append(row)
        seen += sum(learned(row))
        if len(batch) >= params.micro_batch and seen >= LEAST * (params.rank or 1):
            batches.append(batch)
            batch, seen = [], 0
        if len(batches) == BATCHES:
            break
    return batches


def learned(row: Example) -> list[bool]:
    """Of each token, whether it is learned; of a row whose label is no token, all are looked at."""
    if len(row.labels) != len(row.ids):
        return [True] * len(row.ids)
    return [label != IGNORED for label in row.labels]


def _tensors(batch: Sequence[Example], pad: int, device: str) -> dict[str, torch.Tensor]:
    length = max(len(row.ids) for row in batch)
    ids = torch.full((len(batch), length), pad)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for number, row in enumerate(batch):
        end = len(row.ids)
        ids[number, :end], mask[number, :end] = torch.as_tensor(row.ids), 1
        labels[number, :end] = torch.where(torch.tensor(learned(row)), ids[number, :end], IGNORED)
    return {"input_ids": ids.to(device), "attention_mask": mask.to(device), "labels": labels.to(device)}
