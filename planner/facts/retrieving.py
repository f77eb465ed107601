"""Facts about retrieval: the models that find passages, and what those and a database's tables add to a prompt."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from planner.documents.passages import CHARACTERS_A_TOKEN
from planner.facts.registry import Unknown, fact
from planner.survey.tokens import BYTES_PER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Spec
    from planner.survey import Survey

SOURCES = ("spec", "package", "hub")
NO_DOCUMENTS = "the spec names no documents to search"
# The number and the title that stand before a passage.
HEADING_TOKENS = 16
# Objectives that train without a prompt around what is learned, and those whose rows are asked with passages.
WITHOUT_PROMPT = ("continued-pretraining", "infilling", "classification-head")
READING = ("sft", "continued-pretraining+sft")


@fact(cite=("reimers-2019-sentence-bert",), words=SOURCES)
def encoder_source(survey: Survey) -> str | Unknown:
    """Where the embedding model comes from: the spec, an installed Python package, or the hub."""
    return survey.encoder.source if survey.encoder else Unknown(NO_DOCUMENTS)


@fact(cite=("reimers-2019-sentence-bert",))
def encoder_model(survey: Survey) -> str | Unknown:
    """The embedding model as a plan pins it."""
    return survey.encoder.pin if survey.encoder else Unknown(NO_DOCUMENTS)


@fact(cite=("nogueira-2019-reranking",))
def reranker_named(spec: Spec) -> bool:
    """Whether the spec names a model that puts passages into a better order."""
    return any(model.role == "reranker" for model in spec.models)


def _passage(survey: Survey, cut: float, *, percentile: bool = False) -> int | Unknown:
    """Tokens of a passage with its heading: of the longest document, or of one longer than 95%, where it is not cut."""
    documents = survey.data.get("documents")
    if documents is None:
        return Unknown(NO_DOCUMENTS)
    lengths = documents.tokens
    whole = (lengths.p95 if percentile else lengths.max) if lengths else cut
    return ceil(min(whole, cut)) + HEADING_TOKENS


@fact(unit="tokens", cite=("karpukhin-2020-dpr",))
def cut_tokens(survey: Survey, chunk_tokens: int, thresholds: Mapping[str, float]) -> float:
    """Tokens of a passage that is a part of its document, at most.

    It is cut by characters, of which a token of code or of another language than English has fewer.
    """
    documents = survey.data.get("documents")
    each = (documents.token_characters if documents else None) or CHARACTERS_A_TOKEN
    return chunk_tokens * max(1.0, CHARACTERS_A_TOKEN / each * thresholds["densest_passage"])


@fact(unit="tokens", cite=("karpukhin-2020-dpr",))
def longest_passage_tokens(survey: Survey, cut_tokens: float) -> int | Unknown:
    """Tokens of a passage with its heading, at most: a whole document, or a part of one."""
    return _passage(survey, cut_tokens)


@fact(unit="tokens", cite=("karpukhin-2020-dpr",))
def long_passage_tokens(survey: Survey, cut_tokens: float) -> int | Unknown:
    """Tokens of a passage with its heading that is longer than nineteen of twenty."""
    return _passage(survey, cut_tokens, percentile=True)


@fact(unit="tokens", cite=("karpukhin-2020-dpr",))
def passage_tokens(survey: Survey, chunk_tokens: int, longest_passage_tokens: int) -> float:
    """Tokens of a passage with its heading in the mean: a document, or a part of a longer one."""
    documents = survey.data.get("documents")
    each = (documents.token_characters if documents else None) or CHARACTERS_A_TOKEN
    whole = (documents.mean_tokens if documents else None) or chunk_tokens
    return min(longest_passage_tokens, HEADING_TOKENS + min(whole, chunk_tokens * CHARACTERS_A_TOKEN / each))


@fact(unit="tokens", cite=("yu-2018-spider",))
def table_tokens(spec: Spec, survey: Survey, table_characters: int) -> int:
    """Tokens that the tables of the largest database take in a prompt, at most; 0 where none is told."""
    known = survey.data.get("database")
    if spec.task.output.format != "sql" or known is None or known.tokens is None:
        return 0
    return min(known.tokens.max, int(table_characters / BYTES_PER_TOKEN))


@fact(unit="characters", cite=("yu-2018-spider",))
def table_characters(context_tokens: int | Unknown, thresholds: Mapping[str, float]) -> int:
    """Characters of the tables of one database in a prompt, by the share of the context that they may take."""
    context = thresholds["short_context"] if isinstance(context_tokens, Unknown) else context_tokens
    return int(context * thresholds["tables_context_share"] * BYTES_PER_TOKEN)


@fact(unit="passages", cite=("book:finetuning-and-rag",))
def passages_read(rungs: list[str], objective: str, passages: int) -> int:
    """Passages that a row to train on is given, at most; 0 where nothing is searched, or prompts are not trained on."""
    return passages if {"rag", "hybrid"} & {*rungs} and objective in READING else 0


@fact(unit="tokens", cite=("book:finetuning-and-rag",))
def evidence_tokens(
    objective: str, passages_read: int, longest_passage_tokens: int | Unknown, table_tokens: int
) -> int:
    """Tokens that a row to train on is given beside its own, at most: passages that were found, and tables."""
    each = 0 if isinstance(longest_passage_tokens, Unknown) else longest_passage_tokens
    return passages_read * each + (0 if objective in WITHOUT_PROMPT else table_tokens)


@fact(unit="tokens", cite=("book:memory-bottlenecks",))
def spare_tokens(passages_read: int, longest_passage_tokens: int | Unknown, long_passage_tokens: int | Unknown) -> int:
    """Tokens by which the longest row likely stays below its room: not all of its passages are the longest."""
    if isinstance(longest_passage_tokens, Unknown) or isinstance(long_passage_tokens, Unknown):
        return 0
    return max(0, passages_read - 1) * (longest_passage_tokens - long_passage_tokens)
