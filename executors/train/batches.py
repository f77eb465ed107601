"""Which rows form which batch: a function of lengths, seed and epoch alone, so that a resumed run sees the same."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Rows are sorted by length within pools of this many batches: little padding, yet batches differ between epochs.
POOL_BATCHES = 50


class EpochBatches:
    """A torch batch sampler: one list of row numbers for each forward pass of the epoch that was set.

    Of several processes each gets its part of every effective batch, in as many forward passes as the others, of rows
    about as long as theirs. A list is empty where there are fewer rows than processes.

    Rows are first put into effective batches (`micro` x `accumulation` x `ranks` rows, one step), then each is cut
    into forward passes, longest rows first: another micro-batch with the same effective batch trains on the same
    steps. The last step of an epoch has the rows that are left.
    """

    def __init__(
        self,
        lengths: Sequence[int],
        *,
        micro: int,
        accumulation: int,
        seed: int,
        grouped: bool,
        rank: int = 0,
        ranks: int = 1,
    ) -> None:
        self.lengths = lengths
        self.batch_size = micro
        self.drop_last = False
        self.effective = micro * accumulation * ranks
        self.together = micro * ranks
        self.rank = rank
        self.ranks = ranks
        self.seed = seed
        self.grouped = grouped
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that iteration yields; the trainer calls it."""
        self.epoch = epoch

    def __len__(self) -> int:
        full, rest = divmod(len(self.lengths), self.effective)
        return full * (self.effective // self.together) + math.ceil(rest / self.together)

    @property
    def steps(self) -> int:
        """Optimizer steps in an epoch."""
        return math.ceil(len(self.lengths) / self.effective)

    def __iter__(self) -> Iterator[list[int]]:
        for step in self._steps():
            rows = sorted(step, key=self._longest_first)
            for start in range(0, len(rows), self.together):
                yield rows[start + self.rank : start + self.together : self.ranks]

    def _longest_first(self, row: int) -> tuple[int, int]:
        return -self.lengths[row], row

    def _steps(self) -> list[list[int]]:
        chance = random.Random(f"{self.seed}:{self.epoch}")  # noqa: S311 - an order, not a secret
        rows = list(range(len(self.lengths)))
        first: list[int] = []
        if self.epoch == 0:
            # The batch that needs the most memory runs first: what does not fit fails at once, not after an hour.
            first = sorted(rows, key=self._longest_first)[: self.effective]
            rows = sorted(set(rows) - set(first))
        chance.shuffle(rows)
        whole = len(rows) - len(rows) % self.effective
        steps = self._grouped(rows[:whole], chance) if self.grouped else self._cut(rows[:whole])
        return [step for step in (first, *steps, rows[whole:]) if step]

    def _grouped(self, rows: list[int], chance: random.Random) -> list[list[int]]:
        pool = self.effective * POOL_BATCHES
        ordered = [
            row
            for start in range(0, len(rows), pool)
            for row in sorted(rows[start : start + pool], key=self._longest_first)
        ]
        steps = self._cut(ordered)
        chance.shuffle(steps)
        return steps

    def _cut(self, rows: list[int]) -> list[list[int]]:
        return [rows[start : start + self.effective] for start in range(0, len(rows), self.effective)]
