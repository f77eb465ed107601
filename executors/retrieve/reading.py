"""Rows with passages in their request, as a reader is trained on them: those found, the right one among them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from executors.prompt.passages import with_passages
from executors.retrieve.index import Index
from executors.text_match import contains

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.data import Row
    from executors.retrieve.chunks import Passage, Passages


def open_index(inputs: Mapping[str, Path | str]) -> Index:
    """The index of a step's inputs, with the models that its search needs.

    Raises:
        InputError: the folder is no index, or was made with another embedding model.
    """
    return Index(Path(inputs["index"]), inputs.get("encoder"), inputs.get("reranker"))


def to_learn_from(index: Index, rows: Sequence[Row]) -> list[Row]:
    """The rows with as many passages as evaluation shows, rendered as evaluation renders them.

    Where a row names its gold document and the search missed it, its passage takes the place of the last one: a reader
    learns nothing but guessing from a prompt without the answer.
    """
    found = index.retrieve([row.prompt for row in rows])
    gold = _of_documents(index.passages, _missed(rows, found))
    return [with_passages(row, _kept(row, passages, gold)) for row, passages in zip(rows, found, strict=True)]


def _missed(rows: Sequence[Row], found: Sequence[Sequence[Passage]]) -> set[str]:
    """Gold documents of the rows for which none of theirs was found."""
    missed: set[str] = set()
    for row, passages in zip(rows, found, strict=True):
        if not {passage.document for passage in passages} & {*row.gold}:
            missed |= {*row.gold}
    return missed


def _of_documents(passages: Passages, names: set[str]) -> dict[str, list[Passage]]:
    """All passages of some documents, in one pass over the index."""
    held: dict[str, list[Passage]] = {}
    for number in range(len(passages)) if names else ():
        passage = passages[number]
        if passage.document in names:
            held.setdefault(passage.document, []).append(passage)
    return held


def _kept(row: Row, found: Sequence[Passage], gold: Mapping[str, Sequence[Passage]]) -> list[Passage]:
    if not row.gold or {passage.document for passage in found} & {*row.gold}:
        return list(found)
    right = [passage for name in row.gold for passage in gold.get(name, ())]
    holding = [passage for passage in right if any(contains(passage.text, text) for text in row.accepted)]
    return [*found[:-1], *(holding or right)[:1]] if right else list(found)
