"""Facts about information: how much the data hold, and whether an adapter has room for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.effort import RAW_TEXT
from planner.facts.estimating import trainable
from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.survey import Survey

REGRET = ("schulman-2025-lora-without-regret", "tinker-cookbook")


@fact(unit="rows", cite=("book:peft",))
def largest_stage_rows(objective: str, training_rows: int, document_rows: int) -> int:
    """Rows of the largest stage of training: documents where raw text is trained on, else pairs or comparisons."""
    return max(training_rows, document_rows) if objective in RAW_TEXT else training_rows


@fact(unit="tokens", cite=REGRET)
def answer_tokens(survey: Survey) -> float | Unknown:
    """Tokens of all answers in the training data: the information that an adapter must hold, at most."""
    data = survey.data.get("train")
    if data is None or data.rows is None or data.completion_tokens is None:
        return Unknown("the length of the answers is not known")
    return data.rows * data.completion_tokens.mean


@fact(unit="tokens", cite=REGRET)
def information_tokens(
    survey: Survey, objective: str, answer_tokens: float | Unknown, row_tokens: float | Unknown, training_rows: int
) -> float | Unknown:
    """Tokens that carry what is to be learnt, at most: answers where they were read, else whole rows or documents."""
    documents = survey.data.get("documents")
    if objective in RAW_TEXT and documents is not None and documents.rows:
        if documents.mean_tokens is None:
            return Unknown("the length of the documents is not known")
        return documents.rows * documents.mean_tokens
    if not isinstance(answer_tokens, Unknown):
        return answer_tokens
    if isinstance(row_tokens, Unknown):
        return Unknown("the length of the training rows is not known")
    return training_rows * row_tokens


@fact(unit="times", cite=REGRET)
def information_over_capacity(
    survey: Survey, base_model: str, information_tokens: float, thresholds: Mapping[str, float]
) -> float | Unknown:
    """Tokens to learn for each parameter of an adapter of the largest usual rank; above 1 the adapter is too small."""
    rank = int(thresholds["largest_rank"])
    room = trainable(survey.models[base_model], method="lora", rank=rank)
    return room if isinstance(room, Unknown) else information_tokens / room


@fact(unit="rank", cite=REGRET)
def rank_for_capacity(
    survey: Survey, base_model: str, answer_tokens: float, thresholds: Mapping[str, float]
) -> int | Unknown:
    """Smallest power of two, within bounds, whose adapter has at least one parameter a trained token."""
    rank = int(thresholds["smallest_rank"])
    room = trainable(survey.models[base_model], method="lora", rank=rank)
    if isinstance(room, Unknown):
        return room
    each = room / rank
    while rank < thresholds["largest_rank"] and each * rank < answer_tokens:
        rank *= 2
    return rank


@fact(unit="times", cite=REGRET)
def rank_over_need(survey: Survey, base_model: str, rank: int, information_tokens: float) -> float | Unknown:
    """Parameters of the adapter for each token that it is to learn."""
    room = trainable(survey.models[base_model], method="lora", rank=rank)
    return room if isinstance(room, Unknown) else room / max(information_tokens, 1.0)
