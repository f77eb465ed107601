"""Examples that are like the request, found by BM25 [liu-2021-in-context-examples]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.data import Row
    from executors.prompt.document import Prompt


def prompts_for(prompt: Prompt, rows: Sequence[Row]) -> list[Prompt]:
    """The prompt of each row: the same one, or one with the examples nearest to the row's request, the nearest last."""
    if prompt.nearest is None or not prompt.examples:
        return [prompt] * len(rows)
    return [
        prompt.model_copy(update={"examples": tuple(prompt.examples[at] for at in reversed(order)), "nearest": None})
        for order in _nearest(prompt, [row.prompt for row in rows])
    ]


def _nearest(prompt: Prompt, requests: Sequence[str]) -> list[list[int]]:
    """Numbers of the nearest examples for each request, the nearest first; never the request itself."""
    import bm25s

    pool = [shown.prompt for shown in prompt.examples]
    words = _words(pool)
    # One more than wanted: the request itself may stand among the examples, as when prompts are chosen on them.
    k = min((prompt.nearest or 0) + 1, len(pool))
    found: Any = [range(k)] * len(requests)
    if any(words):
        index: Any = bm25s.BM25()
        index.index(words, show_progress=False)
        found, _ = index.retrieve(_words(requests), k=k, show_progress=False)
    return [
        [int(at) for at in order if pool[at] != request][: prompt.nearest]
        for request, order in zip(requests, found, strict=True)
    ]


def _words(texts: Sequence[str]) -> list[list[str]]:
    """Words as BM25 compares them; common ones count, for a short request has few others."""
    import bm25s

    words: list[list[str]] = bm25s.tokenize(list(texts), stopwords=[], return_ids=False, show_progress=False)
    return words
