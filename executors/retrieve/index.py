"""An index on disk: passages, BM25, vectors, and how they were made; opened by evaluation and by serving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from executors.retrieve.chunks import Passages
from executors.retrieve.meaning_search import Encoder, MeaningSearch
from executors.retrieve.term_search import TermSearch
from planner.documents import InputError, ReadAhead, pretty_json

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from executors.retrieve.chunks import Passage

Method = Literal["bm25", "embedding", "hybrid"]
MANIFEST = "index.json"
# Reciprocal rank fusion's constant: 60 in its paper; with few passages in a prompt the top ranks should weigh more.
RRF_K = 10
# Each search gives this many times the passages that are wanted, for the fusion and the reranker to choose from.
DEPTH = 10


class Manifest(ReadAhead):
    """What an index holds."""

    format: Literal["adapt.index/1"] = "adapt.index/1"
    method: Method
    language: str | None
    """Language of stop words and stems; null for none."""
    chunk_characters: int
    documents: int
    passages: int
    encoder: str | None = None
    """Id of the embedding model: digest of its content, or its hub name."""
    k: int
    """Passages that a prompt is given."""


class Index:
    """An index that answers queries."""

    def __init__(self, folder: Path, encoder: Path | str | None = None, reranker: Path | str | None = None) -> None:
        """Open it; arrays are mapped, models loaded.

        Args:
            folder: output of a `retrieve` step.
            encoder: the embedding model that it was made with; not needed for BM25 alone.
            reranker: a cross-encoder that orders the candidates anew.

        Raises:
            InputError: the folder is no index, or was made with another embedding model.
        """
        self.manifest = self.read_manifest(folder)
        self.passages = Passages(folder)
        method = self.manifest.method
        self._terms = TermSearch(folder, self.manifest.language) if method != "embedding" else None
        self._meaning = MeaningSearch(folder, self._encoder(encoder)) if method != "bm25" else None
        self._reranker: Any = _cross_encoder(reranker) if reranker is not None else None

    @staticmethod
    def read_manifest(folder: Path) -> Manifest:
        """What an index holds.

        Raises:
            InputError: the folder is no index.
        """
        try:
            return Manifest.model_validate_json((folder / MANIFEST).read_bytes())
        except (OSError, ValidationError) as error:
            message = f"The folder is no index: {str(error).splitlines()[0]}."
            raise InputError.one(
                "RAG001", message, "Name the output of a `retrieve` step.", file=str(folder)
            ) from error

    def search(self, queries: Sequence[str], k: int | None = None) -> list[list[int]]:
        """The numbers of the best passages for each query, the best first."""
        k = k or self.manifest.k
        rankings = [search.search(queries, k * DEPTH) for search in (self._terms, self._meaning) if search is not None]
        fused = [fuse(ranked) for ranked in zip(*rankings, strict=True)] if len(rankings) > 1 else rankings[0]
        if self._reranker is not None:
            fused = [self._reranked(query, numbers[: k * DEPTH]) for query, numbers in zip(queries, fused, strict=True)]
        return [numbers[:k] for numbers in fused]

    def retrieve(self, queries: Sequence[str], k: int | None = None) -> list[list[Passage]]:
        """The best passages for each query."""
        return [[self.passages[number] for number in numbers] for numbers in self.search(queries, k)]

    def _encoder(self, source: Path | str | None) -> Encoder:
        encoder = Encoder(source) if source is not None else None
        if encoder is None or encoder.id != self.manifest.encoder:
            message = f"The index was made with the embedding model {self.manifest.encoder}, which is not given."
            raise InputError.one("RAG004", message, "Give the same one, or build the index anew.")
        return encoder

    def _reranked(self, query: str, numbers: list[int]) -> list[int]:
        if not numbers:
            return []
        scores = self._reranker.predict([(query, self.passages[number].searched) for number in numbers])
        return [number for _, number in sorted(zip(-scores, numbers, strict=True), key=lambda pair: pair[0])]


def fuse(rankings: Sequence[Sequence[int]]) -> list[int]:
    """One ranking from several by reciprocal rank: what two searches both find comes first [cormack-2009-rrf]."""
    scores: dict[int, float] = {}
    for ranking in rankings:
        for rank, number in enumerate(ranking, 1):
            scores[number] = scores.get(number, 0.0) + 1 / (RRF_K + rank)
    return sorted(scores, key=lambda number: (-scores[number], number))


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Complete an index's folder."""
    (folder / MANIFEST).write_text(pretty_json(manifest.to_json()), encoding="utf-8")


def _cross_encoder(source: Path | str) -> Any:
    from sentence_transformers import CrossEncoder

    return CrossEncoder(str(source).removeprefix("hub:"))
