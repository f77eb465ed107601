"""What the documents have for each failing question: the passage that holds the answer, and what a search finds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.diagnose.subject import Lookup
from executors.retrieve.quality import rank_of_gold
from executors.text_match import contains, normal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from executors.data import Row
    from executors.retrieve.chunks import Passage
    from executors.retrieve.index import Index

# Passages that a search may give before one that holds the answer counts as found by the answer's words.
DEEP = 50
# Shorter answers stand in passages that have nothing to do with the question.
TELLING_CHARACTERS = 3
CHUNK_TOKENS = 256
# Of a prompt where nobody says how many.
PASSAGES = 3
OVERLAP = 0.1


def open_index(documents: Path, folder: Path, passages: int) -> Index:
    """A BM25 index over documents, kept in `folder` and opened again from there.

    Raises:
        InputError: the documents are not there, or hold no text.
    """
    from executors.retrieve import term_search
    from executors.retrieve.chunks import Passages, cut, write_passages
    from executors.retrieve.documents import SourceDocument, read_documents
    from executors.retrieve.index import MANIFEST, Index, Manifest, write_manifest
    from planner.documents import InputError
    from planner.documents.passages import CHARACTERS_A_TOKEN

    if (folder / MANIFEST).exists():
        return Index(folder)
    folder.mkdir(parents=True, exist_ok=True)
    characters = int(CHUNK_TOKENS * CHARACTERS_A_TOKEN)
    names: set[str] = set()

    def pieces() -> Iterator[Passage]:
        for document in read_documents(documents):
            if isinstance(document, SourceDocument):
                names.add(document.id)
                yield from cut(document, characters, int(characters * OVERLAP))

    count = write_passages(pieces(), folder)
    if not count:
        message = "There is no document with text."
        raise InputError.one("RAG003", message, "Give text, Markdown, HTML, PDF or JSON Lines.", file=str(documents))
    term_search.build(Passages(folder), folder, None)
    write_manifest(
        Manifest(
            method="bm25",
            language=None,
            chunk_characters=characters,
            documents=len(names),
            passages=count,
            k=passages,
        ),
        folder,
    )
    return Index(folder)


def look_up(index: Index, rows: Sequence[Row], passages: int | None) -> list[Lookup]:
    """What the index has for each row.

    Args:
        index: over the documents.
        rows: failing questions; `gold` names the documents that hold the answers, where the data do.
        passages: passages that a prompt is given; None for as many as the index was made for.
    """
    k = passages or index.manifest.k
    found = index.retrieve([row.prompt for row in rows], max(DEEP, k))
    named = _of_documents(index, {name for row in rows for name in row.gold})
    looked = []
    for row, ranked in zip(rows, found, strict=True):
        if row.gold:
            gold = _holding([passage for name in row.gold for passage in named.get(name, ())], row)
        else:
            gold = tuple(passage for passage in ranked if _telling(passage, row))[:1]
        rank = rank_of_gold(row, ranked[:k])
        looked.append(Lookup(gold, tuple(ranked[:k]), rank, True if gold else None, named=bool(row.gold and gold)))
    return _searched_through(index, rows, looked)


def _of_documents(index: Index, names: set[str]) -> dict[str, list[Passage]]:
    """The passages of some documents, in one pass over the index."""
    found: dict[str, list[Passage]] = {}
    for number in range(len(index.passages)) if names else ():
        passage = index.passages[number]
        if passage.document in names:
            found.setdefault(passage.document, []).append(passage)
    return found


def _holding(passages: list[Passage], row: Row) -> tuple[Passage, ...]:
    """The first passage of the gold documents that holds an answer, else their first one."""
    holding = [passage for passage in passages if any(contains(passage.text, text) for text in row.accepted)]
    return tuple((holding or passages)[:1])


def _telling(passage: Passage, row: Row) -> bool:
    return any(len(normal(text)) >= TELLING_CHARACTERS and contains(passage.text, text) for text in row.accepted)


def _searched_through(index: Index, rows: Sequence[Row], looked: list[Lookup]) -> list[Lookup]:
    """Whether the documents hold the answers that no search found, in one more pass over the index."""
    wanted = {
        at: [f" {normal(text)} " for text in row.accepted if len(normal(text)) >= TELLING_CHARACTERS]
        for at, (row, lookup) in enumerate(zip(rows, looked, strict=True))
        if not lookup.gold
    }
    left = {at for at, texts in wanted.items() if texts}
    held: set[int] = set()
    for number in range(len(index.passages)) if left else ():
        text = f" {normal(index.passages[number].text)} "
        held |= {at for at in left - held if any(words in text for words in wanted[at])}
    return [
        Lookup(each.gold, each.found, each.rank, at in held, named=each.named) if at in left else each
        for at, each in enumerate(looked)
    ]
