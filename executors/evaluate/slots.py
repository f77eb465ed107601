"""A batch of rows in which prompts take each other's place: one step of the model for all, no step for the finished."""

from __future__ import annotations

import time
from random import Random
from typing import TYPE_CHECKING, Any

import torch

from executors.evaluate.cache import repeated, roomy
from executors.evaluate.constraint import mask_logits
from executors.evaluate.sampling import draw

if TYPE_CHECKING:
    from executors.evaluate.generation import Generation

# A prompt's first step reads all weights once, as a step of the whole batch does: free rows are filled together.
FREE_SHARE = 0.25


class Slots:
    """Answers some requests, the longest first.

    A row of the batch holds one request at a time. All rows share their columns in the cache: the common prefix, then
    each row's request ending at the last filled column, then the answers, a column a step. What a row does not use is
    masked. Position ids say where a token stands in its own row, so that the column does not matter.
    """

    def __init__(
        self,
        model: Any,
        requests: list[list[int]],
        how: Generation,
        shared: Any | None,
        *,
        positions: bool,
        seeds: list[int] | None = None,
    ) -> None:
        """Prepare; nothing is computed yet.

        Args:
            model: a causal language model.
            requests: tokens of each request after the shared prefix, the longest first.
            how: length, batch size, stop tokens, constraint.
            shared: cache of the shared prefix; None without one.
            positions: whether the model takes position ids; without, rows are not replaced.
            seeds: of each request's draws; None without sampling.
        """
        self.model, self.requests, self.how, self.shared, self.positions = model, requests, how, shared, positions
        self.before = 0 if shared is None else shared.get_seq_length()
        self.made: list[list[int]] = [[] for _ in requests]
        self.seconds = [0.0] * len(requests)
        """From the first step of each request to the end of its answer."""
        self.matchers = None if how.constraint is None else [how.constraint.start() for _ in requests]
        self.draws = None if seeds is None else [Random(seed) for seed in seeds]  # noqa: S311 - not a secret
        self.waiting = list(range(len(requests)))
        self.ended: set[int] = set()

    def answers(self) -> list[list[int]]:
        """Generate until every request is answered; returns the tokens of each."""
        first = self._take(self.how.batch_size)
        longest = len(self.requests[first[0]])
        self.room = self.before + longest + self.how.max_new_tokens
        self.cache: Any = None
        self.rows = first
        self.mask = torch.zeros(len(first), self.room, dtype=torch.long, device=self.model.device)
        self.mask[:, : self.before] = 1
        self.filled = self.before + longest
        self.starts = [0] * len(first)
        self.tokens = torch.zeros(len(first), 1, dtype=torch.long, device=self.model.device)
        self.places = torch.zeros(len(first), 1, dtype=torch.long, device=self.model.device)
        self._place(list(range(len(first))))
        while len(self.ended) < len(self.requests):
            self._step()
            self._refill()
        return self.made

    def _take(self, count: int) -> list[int]:
        taken, self.waiting = self.waiting[:count], self.waiting[count:]
        return taken

    def _place(self, slots: list[int]) -> None:
        """Compute the requests of some rows of the batch, and put them where the next column follows."""
        requests = [self.requests[self.rows[slot]] for slot in slots]
        begun = time.monotonic()
        for slot in slots:
            self.seconds[self.rows[slot]] = -begun
        longest = len(requests[0])
        device = self.model.device
        pads = torch.tensor([longest - len(request) for request in requests])
        ids = torch.tensor([[self.how.pad_id] * (longest - len(request)) + request for request in requests])
        seen = torch.ones(len(slots), self.before + longest, dtype=torch.long)
        for row, pad in enumerate(pads.tolist()):
            seen[row, self.before : self.before + pad] = 0
        places = (self.before + torch.arange(longest)[None] - pads[:, None]).clamp(min=0)
        made = repeated(self.model, self.shared, len(slots))
        logits = self._forward(ids.to(device), seen.to(device), places.to(device), made)
        if self.cache is None:
            self.cache = roomy(self.model, len(self.rows), self.room, self.how.kv_cache) if self.positions else made
        start = self.filled - longest
        if self.positions:
            at = torch.tensor(slots, device=device)
            for mine, new in zip(self.cache.layers, made.layers, strict=True):
                if self.before:
                    mine.place(at, 0, new.keys[:, :, : self.before], new.values[:, :, : self.before])
                mine.place(at, start, new.keys[:, :, self.before :], new.values[:, :, self.before :])
        for row, slot in enumerate(slots):
            self.mask[slot, self.before :] = 0
            self.mask[slot, start : self.filled] = seen[row, self.before :].to(device)
            self.starts[slot] = start + int(pads[row])
            self.places[slot] = places[row, -1:].to(device)
        self._choose(slots, logits)

    def _forward(self, ids: Any, mask: Any, places: Any, cache: Any) -> Any:
        """Logits of the last position, of shape [rows, vocabulary]."""
        extra = {"position_ids": places} if self.positions else {}
        made = self.model(
            input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True, logits_to_keep=1, **extra
        )
        return made.logits[:, -1]

    def _choose(self, slots: list[int], logits: Any) -> None:
        """Take the likeliest token of each row that is allowed, or draw one, and end the rows that are done."""
        if self.matchers is not None and self.how.constraint is not None:
            matchers = [self.matchers[self.rows[slot]] for slot in slots]
            logits = mask_logits(logits, matchers, self.how.constraint.width)
        if self.draws is None or self.how.sampling is None:
            chosen = logits.argmax(dim=-1)
        else:
            uniform = [self.draws[self.rows[slot]].random() for slot in slots]
            chosen = draw(logits, self.how.sampling.temperature, uniform)
        self.tokens[slots, 0] = chosen
        for slot, token in zip(slots, chosen.tolist(), strict=True):
            row = self.rows[slot]
            if row in self.ended:
                continue
            if self.matchers is not None and not self.matchers[row].is_terminated():
                self.matchers[row].accept_token(token)
            if token not in self.how.stop_ids:
                self.made[row].append(token)
            if token in self.how.stop_ids or len(self.made[row]) == self.how.max_new_tokens:
                self.ended.add(row)
                self.seconds[row] += time.monotonic()

    def _step(self) -> None:
        """One token for every row."""
        if len(self.ended) == len(self.requests):
            return
        if self.filled == self.room:
            self._close_gap()
        self.mask[:, self.filled] = 1
        self.filled += 1
        self.places += 1
        logits = self._forward(self.tokens, self.mask[:, : self.filled], self.places, self.cache)
        self._choose(list(range(len(self.rows))), logits)

    def _refill(self) -> None:
        """Give the rows that ended to waiting requests; without any, drop them."""
        free = [slot for slot, row in enumerate(self.rows) if row in self.ended]
        if len(free) < max(1, FREE_SHARE * len(self.rows)) or len(self.ended) == len(self.requests):
            return
        taken = self._take(len(free))
        if not taken:
            self._drop(free)
            return
        for slot, row in zip(free, taken, strict=False):
            self.rows[slot] = row
        self._place(free[: len(taken)])

    def _drop(self, free: list[int]) -> None:
        kept = [slot for slot in range(len(self.rows)) if slot not in set(free)]
        keep = torch.tensor(kept, device=self.model.device)
        self.tokens, self.places, self.mask = self.tokens[keep], self.places[keep], self.mask[keep]
        self.cache.batch_select_indices(keep)
        self.rows, self.starts = [self.rows[at] for at in kept], [self.starts[at] for at in kept]

    def _close_gap(self) -> None:
        """Give up columns that no unfinished row uses any more."""
        used = [start for start, row in zip(self.starts, self.rows, strict=True) if row not in self.ended]
        gap = min(used) - self.before
        for layer in self.cache.layers:
            layer.close_gap(self.before, gap)
        end = self.filled - gap
        self.mask[:, self.before : end] = self.mask[:, self.before + gap : self.filled].clone()
        self.mask[:, end:] = 0
        self.filled = end
        self.starts = [start - gap for start in self.starts]
