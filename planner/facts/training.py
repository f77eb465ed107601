"""Facts that training's hyperparameters are computed from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from planner.facts.model import architecture_of
from planner.facts.registry import Unknown, fact
from planner.memory import EstimateError, trainable_parameters, training_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.survey import Survey

TACTICS = ("book:finetuning-tactics",)
REGRET = ("schulman-2025-lora-without-regret", "tinker-cookbook")


@fact(unit="tokens", cite=TACTICS)
def sequence_tokens(
    longest_row_tokens: int | Unknown, context_tokens: int | Unknown, thresholds: Mapping[str, float]
) -> int:
    """Length to train at: the longest row with room for the instruction, rounded up to 64, within the context."""
    if isinstance(longest_row_tokens, Unknown):
        wanted = int(thresholds["assumed_row_tokens"])
    else:
        wanted = longest_row_tokens + int(thresholds["instruction_tokens"])
    length = max(64, 64 * math.ceil(wanted / 64))
    return length if isinstance(context_tokens, Unknown) else min(length, context_tokens)


@fact(cite=("book:finetuning-and-rag",))
def finetune_planned(rungs: list[str]) -> bool:
    """Whether a rung of the plan trains weights."""
    return "finetune" in rungs


@fact(unit="rows", cite=TACTICS)
def training_rows_seen(training_rows: int, epochs: float) -> float:
    """Rows that training looks at, over all epochs."""
    return training_rows * epochs


@fact(unit="rows", cite=(*TACTICS, *REGRET))
def batch_for_steps(training_rows_seen: float, thresholds: Mapping[str, float]) -> int:
    """Largest power of two of rows a step, within bounds, that still leaves enough optimizer steps."""
    batch = int(thresholds["largest_effective_batch"])
    while batch > thresholds["smallest_effective_batch"] and training_rows_seen / batch < thresholds["fewest_steps"]:
        batch //= 2
    return batch


@fact(unit="steps", cite=TACTICS)
def optimizer_steps(training_rows_seen: float, effective_batch: int) -> int:
    """Steps of the optimizer over the whole training."""
    return math.ceil(training_rows_seen / effective_batch)


@fact(unit="rows", cite=TACTICS)
def accumulation_steps(effective_batch: int, micro_batch: int) -> int:
    """Micro-batches whose gradients are added up to one step."""
    return math.ceil(effective_batch / micro_batch)


@fact(unit="", cite=REGRET)
def lora_learning_rate(
    hidden_size: int, model_family: str, optimizer_steps: int, thresholds: Mapping[str, float]
) -> float:
    """LoRA's learning rate: ten times full finetuning's (fifteen in short runs), falling with the model's width."""
    short = optimizer_steps < thresholds["short_run_steps"]
    factor = thresholds["lora_rate_factor_short" if short else "lora_rate_factor"]
    power = thresholds["rate_width_power_qwen" if model_family.startswith("qwen") else "rate_width_power"]
    rate = thresholds["full_rate_at_2000"] * factor * (2000 / hidden_size) ** power
    return min(float(f"{rate:.1e}"), thresholds["highest_rate"])


@fact(unit="", cite=REGRET)
def full_learning_rate(hidden_size: int, model_family: str, thresholds: Mapping[str, float]) -> float:
    """Full finetuning's learning rate, falling with the model's width."""
    power = thresholds["rate_width_power_qwen" if model_family.startswith("qwen") else "rate_width_power"]
    return float(f"{thresholds['full_rate_at_2000'] * (2000 / hidden_size) ** power:.1e}")


@fact(unit="tokens", cite=REGRET)
def answer_tokens(survey: Survey) -> float | Unknown:
    """Tokens of all answers in the training data: the information that an adapter must hold, at most."""
    data = survey.data.get("train")
    if data is None or data.rows is None or data.completion_tokens is None:
        return Unknown("the length of the answers is not known")
    return data.rows * data.completion_tokens.mean


@fact(unit="rank", cite=REGRET)
def rank_for_capacity(
    survey: Survey, base_model: str, answer_tokens: float, thresholds: Mapping[str, float]
) -> int | Unknown:
    """Smallest power of two, within bounds, whose adapter has at least one parameter a trained token."""
    shape = architecture_of(survey.models[base_model])
    if isinstance(shape, Unknown):
        return shape
    rank = int(thresholds["smallest_rank"])
    try:
        each = trainable_parameters(shape, training_setting(method="lora", rank=rank)) / rank
    except EstimateError as error:
        return Unknown(str(error))
    while rank < thresholds["largest_rank"] and each * rank < answer_tokens:
        rank *= 2
    return rank
