"""Passages in a request: numbered, so that an answer can cite them, and before the question, as a reader reads."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.data import Row
    from executors.retrieve.chunks import Passage

_CITATION = re.compile(r"\s*\[(\d+)\]")


def with_passages(row: Row, passages: Sequence[Passage]) -> Row:
    """The row with passages before its request, the best nearest to the question [liu-2023-lost-in-the-middle]."""
    if not passages:
        return row
    numbered = [f"[{number}] {passage.title}\n{passage.text}" for number, passage in enumerate(passages, 1)]
    return replace(row, prompt="\n\n".join([*reversed(numbered), f"Question: {row.prompt}"]))


def without_citations(answer: str) -> tuple[str, list[int]]:
    """The answer without numbers in square brackets, and the numbers."""
    return _CITATION.sub("", answer).strip(), [int(number) for number in _CITATION.findall(answer)]
