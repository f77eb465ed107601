"""Batched greedy generation: like lengths together, the shared prefix computed once, finished rows dropped."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.evaluate.batches import common_prefix, plan_batches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from executors.evaluate.constraint import Constraint

# Dropping rows copies the cache: worth it when a quarter of the batch is done.
KEEP_SHARE = 0.75


@dataclass(frozen=True)
class Generation:
    """How to generate."""

    max_new_tokens: int
    batch_size: int
    stop_ids: frozenset[int]
    """Tokens that end an answer; they are not part of it."""
    pad_id: int
    constraint: Constraint | None = None
    """The form that answers cannot leave; None for free answers."""


def generate(
    model: Any, prompts: Sequence[list[int]], how: Generation, done: Collection[int] = ()
) -> Iterator[dict[int, list[int]]]:
    """Yield the answers of one batch after another, as index of the prompt to tokens.

    The answers are those of `model.generate` with greedy search. Prompts in `done` are left out, and do not change
    which others are generated together.
    """
    import torch

    from executors.evaluate.cache import prefill

    positions = "position_ids" in inspect.signature(_inner(model).forward).parameters
    batches = plan_batches([len(prompt) for prompt in prompts], how.batch_size)
    with torch.inference_mode():
        length = common_prefix(prompts) if positions else 0
        shared = prefill(model, prompts[0][:length]) if length and len(done) < len(prompts) else None
        start = length if shared is not None else 0
        for batch in batches:
            rows = [index for index in batch if index not in done]
            if rows:
                answers = _batch(model, [prompts[index][start:] for index in rows], how, shared, positions=positions)
                yield dict(zip(rows, answers, strict=True))


def _batch(model: Any, requests: list[list[int]], how: Generation, shared: Any, *, positions: bool) -> list[list[int]]:
    """Answers of one batch. Layout of a row: shared prefix, padding, request, answer."""
    import torch

    from executors.evaluate.cache import batch_cache
    from executors.evaluate.constraint import mask_logits

    longest = max(len(request) for request in requests)
    before = 0 if shared is None else shared.get_seq_length()
    pads = torch.tensor([longest - len(request) for request in requests])
    tokens = torch.tensor([[how.pad_id] * (longest - len(request)) + request for request in requests])
    mask = torch.ones(len(requests), before + longest + how.max_new_tokens, dtype=torch.long)
    for row, pad in enumerate(pads.tolist()):
        mask[row, before : before + pad] = 0
    tokens, mask, pads = (tensor.to(model.device) for tensor in (tokens, mask, pads))
    cache = batch_cache(model, shared, len(requests), longest + how.max_new_tokens)
    places = (before + torch.arange(longest, device=model.device)[None] - pads[:, None]).clamp(min=0)

    answers: list[list[int]] = [[] for _ in requests]
    matchers = None if how.constraint is None else [how.constraint.start() for _ in requests]
    alive = list(range(len(requests)))
    finished: set[int] = set()
    for step in range(how.max_new_tokens):
        filled = before + longest + step
        extra = {"position_ids": places} if positions else {}
        logits = model(
            input_ids=tokens,
            attention_mask=mask[:, :filled],
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **extra,
        ).logits[:, -1]
        if matchers is not None and how.constraint is not None:
            logits = mask_logits(logits, [matchers[row] for row in alive], how.constraint.width)
        chosen = logits.argmax(dim=-1)
        for row, token in zip(alive, chosen.tolist(), strict=True):
            if matchers is not None and not matchers[row].is_terminated():
                matchers[row].accept_token(token)
            if token in how.stop_ids:
                finished.add(row)
            elif row not in finished:
                answers[row].append(token)
        if len(finished) == len(requests):
            break
        tokens, places = chosen[:, None], places[:, -1:] + 1
        kept = [at for at, row in enumerate(alive) if row not in finished]
        if len(kept) <= KEEP_SHARE * len(alive):
            keep = torch.tensor(kept, device=model.device)
            tokens, places, mask = tokens[keep], places[keep], mask[keep]
            cache.batch_select_indices(keep)
            alive = [alive[at] for at in kept]
    return answers


def _inner(model: Any) -> Any:
    """The model under a peft adapter, whose own signature shows every argument of forward."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model
