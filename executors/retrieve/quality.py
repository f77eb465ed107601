"""How well an index finds: the rank of the first passage that holds what the question asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.intervals import mean_score, proportion
from executors.text_match import contains

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.data import Row
    from executors.retrieve.chunks import Passage
    from planner.documents import Measurement

CUTOFFS = (1, 5, 10)


def rank_of_gold(row: Row, passages: Sequence[Passage]) -> int | None:
    """Rank, from 1, of the first passage of the row's gold document, or without one that holds an accepted answer.

    None when no passage does.
    """
    for rank, passage in enumerate(passages, 1):
        if passage.document in row.gold if row.gold else any(contains(passage.text, text) for text in row.accepted):
            return rank
    return None


def quality(ranks: Sequence[int | None], seed: int) -> Mapping[str, Measurement]:
    """Recall at some cutoffs, and the mean reciprocal rank."""
    found = {f"recall_at_{k}": proportion(sum(_within(rank, k) for rank in ranks), len(ranks)) for k in CUTOFFS}
    return {**found, "mrr": mean_score([1 / rank if rank else 0.0 for rank in ranks], seed)}


def _within(rank: int | None, k: int) -> bool:
    return rank is not None and rank <= k
