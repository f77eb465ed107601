"""Term-based search: BM25 by bm25s, its arrays mapped from disk."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from executors.retrieve.chunks import Passages

FOLDER = "bm25"


def _tokenizer(language: str | None) -> Any:
    """Words in lower case; of a known language without its commonest words, cut to their stems."""
    from bm25s.tokenization import Tokenizer

    if language is None:
        return Tokenizer(stopwords=[], stemmer=None)
    import Stemmer

    stopwords: Any = "en" if language == "english" else []
    return Tokenizer(stopwords=stopwords, stemmer=Stemmer.Stemmer(language).stemWord)


def build(passages: Passages, folder: Path, language: str | None) -> None:
    """Write a BM25 index; texts pass through one at a time.

    Raises:
        InputError: no passage holds a word to search for.
    """
    import bm25s
    import numpy as np

    tokenizer = _tokenizer(language)
    stream: Iterator[list[int]] = tokenizer.streaming_tokenize(passages.texts())
    words = [np.array(ids, dtype=np.int32) for ids in stream]
    vocabulary = tokenizer.get_vocab_dict()
    if not any(word for word in vocabulary):
        raise InputError.one("RAG003", "The documents hold no words to search for.", "Give documents with text.")
    index = bm25s.BM25(method="lucene")
    index.index((words, vocabulary), show_progress=False)
    (folder / FOLDER).mkdir()
    index.save(folder / FOLDER, show_progress=False)
    tokenizer.save_vocab(folder / FOLDER)


class TermSearch:
    """A BM25 index that answers queries."""

    def __init__(self, folder: Path, language: str | None) -> None:
        """Map the index's files."""
        import bm25s

        self._index = bm25s.BM25.load(folder / FOLDER, mmap=True, allow_pickle=False)
        self._tokenizer = _tokenizer(language)
        self._tokenizer.load_vocab(folder / FOLDER)

    def search(self, queries: Sequence[str], k: int) -> list[list[int]]:
        """The numbers of the best passages for each query, the best first; passages without a common word are out."""
        found = []
        for ids in self._tokenizer.streaming_tokenize(queries, update_vocab="never", allow_empty=False):
            scores = self._index.get_scores(ids) if ids else None
            found.append([] if scores is None else _best(scores, k))
        return found


def _best(scores: Any, k: int) -> list[int]:
    """Numbers of the highest positive scores; of equal ones the earlier passage."""
    import numpy as np

    k = min(k, len(scores))
    near = np.argpartition(-scores, k - 1)[:k] if k < len(scores) else np.arange(len(scores))
    # A tie at the edge of the partition goes to the earlier passage, whatever the partition kept.
    edge = scores[near].min()
    near = np.flatnonzero(scores >= edge) if edge > 0 else near
    order = np.lexsort((near, -scores[near]))
    return [int(near[at]) for at in order[:k] if scores[near[at]] > 0]
