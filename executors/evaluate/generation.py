"""Generation in groups: the shared prefix computed once, a row that finishes makes room for the next prompt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.evaluate.batches import common_prefix, plan_batches

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from executors.evaluate.constraint import Constraint
    from executors.evaluate.sampling import Sampling
    from executors.quantized import KvCache

# Prompts a group, in batches: what is on disk at a kill, and long enough for rows to replace each other.
GROUP_BATCHES = 4


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
    sampling: Sampling | None = None
    """How answers are drawn; None for the likeliest token at each step."""
    kv_cache: KvCache = "16-bit"
    """In what keys and values are kept."""


def generate(
    model: Any,
    prompts: Sequence[list[int]],
    how: Generation,
    done: Collection[int] = (),
    took: dict[int, float] | None = None,
    packed: dict[Any, Any] | None = None,
) -> Iterator[dict[int, list[int]]]:
    """Yield the answers of one group after another, as index of the prompt to tokens.

    Without sampling the answers are those of `model.generate` with greedy search. Prompts in `done` are left out, and
    do not change which others are generated together. `took` is filled with the seconds of each prompt, from its first
    step to the end of its answer, by index. `packed` keeps the packed weights of a model that is asked again.

    Raises:
        InputError: the cache cannot be kept as it is asked for.
    """
    import torch

    from executors.evaluate.cache import can_be_placed, check_placed, prefill, soft_prompt
    from executors.evaluate.packed import packed_linears
    from executors.evaluate.slots import Slots

    with torch.inference_mode():
        soft = soft_prompt(model)
    if soft is not None:
        # All that the adapter does is in the cache, and peft would put it before every step's token.
        model = model.get_base_model()
    placed = can_be_placed(model)
    check_placed(model, how.kv_cache)
    groups = plan_batches([len(prompt) for prompt in prompts], how.batch_size * (GROUP_BATCHES if placed else 1))
    with torch.inference_mode(), packed_linears(model, packed):
        length = common_prefix(prompts) if placed else 0
        shared = prefill(model, prompts[0][:length], soft) if length and len(done) < len(prompts) else soft
        for group in groups:
            rows = [index for index in group if index not in done]
            if rows:
                own = [prompts[index][length:] for index in rows]
                seeds = None if how.sampling is None else [how.sampling.seeds[index] for index in rows]
                slots = Slots(model, own, how, shared, positions=placed, seeds=seeds)
                answers = slots.answers()
                if took is not None:
                    took.update(zip(rows, slots.seconds, strict=True))
                yield dict(zip(rows, answers, strict=True))
