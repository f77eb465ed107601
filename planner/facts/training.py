"""Facts that training's hyperparameters are computed from."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from planner.facts.effort import RAW_TEXT
from planner.facts.registry import Unknown, fact
from planner.survey.tokens import BYTES_PER_TOKEN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Spec
    from planner.survey import Survey

# A label's name is no prose, and the chat template has tokens of its own.
LABEL_BYTES_PER_TOKEN, TEMPLATE_TOKENS = 2.0, 48
# What a template really puts around a request and its answer, where it is short.
MARK_TOKENS = 16
TACTICS = ("book:finetuning-tactics",)
REGRET = ("schulman-2025-lora-without-regret", "tinker-cookbook")


@fact(unit="tokens", cite=TACTICS)
def instruction_room(spec: Spec, thresholds: Mapping[str, float]) -> int:
    """Room around a row for the chat template and the instruction, with the labels that it lists.

    Names of labels take more tokens than prose; what is not used costs nothing, and a row that does not fit is lost.
    """
    listed = len(", ".join(spec.task.output.labels or ()).encode()) / LABEL_BYTES_PER_TOKEN
    said = len(spec.task.description.encode()) / BYTES_PER_TOKEN
    return math.ceil(max(thresholds["instruction_tokens"], said + listed + TEMPLATE_TOKENS))


@fact(unit="tokens", cite=TACTICS)
def sequence_tokens(
    longest_row_tokens: int | Unknown,
    row_tokens: float | Unknown,
    max_input_tokens: int | Unknown,
    context_tokens: int | Unknown,
    objective: str,
    instruction_room: int,
    thresholds: Mapping[str, float],
) -> int:
    """Length to train at, rounded up to 64, within the context unless the training is to make that longer.

    The longest row with room for the instruction; where only the mean is told, a multiple of it; else an assumption.
    Raw text is cut into sequences of one length, which holds the pairs that may follow it too.
    """
    if not isinstance(longest_row_tokens, Unknown):
        wanted: float = longest_row_tokens + instruction_room
    elif not isinstance(row_tokens, Unknown):
        longest = row_tokens * thresholds["longest_over_mean"]
        if not isinstance(max_input_tokens, Unknown):
            # Whoever says how long an input can be bounds the rows too.
            longest = min(longest, max(row_tokens, max_input_tokens))
        wanted = longest + instruction_room
    else:
        wanted = thresholds["assumed_row_tokens"]
    if objective == "continued-pretraining":
        wanted = thresholds["raw_text_tokens"]
    elif objective in RAW_TEXT:
        wanted = max(wanted, thresholds["raw_text_tokens"])
    if objective == "long-context":
        told = 0 if isinstance(max_input_tokens, Unknown) else max_input_tokens + instruction_room
        return 64 * math.ceil(max(wanted, told) / 64)
    length = max(64, 64 * math.ceil(wanted / 64))
    return length if isinstance(context_tokens, Unknown) else min(length, context_tokens)


@fact(unit="times", cite=("chen-2023-position-interpolation",))
def longest_over_context(
    longest_row_tokens: int | Unknown, max_input_tokens: int | Unknown, context_tokens: int
) -> float | Unknown:
    """Longest input that is told of, or row that is trained on, as a multiple of the base model's context."""
    known = [tokens for tokens in (longest_row_tokens, max_input_tokens) if not isinstance(tokens, Unknown)]
    return max(known) / context_tokens if known else Unknown("neither rows nor inputs are told of")


@fact(unit="tokens", cite=TACTICS)
def trained_tokens(
    sequence_tokens: int, evidence_tokens: int | Unknown, context_tokens: int | Unknown, objective: str
) -> int:
    """Length to train at with the passages or tables that rows are given, within the context as the rows are."""
    if isinstance(evidence_tokens, Unknown) or not evidence_tokens:
        return sequence_tokens
    length = 64 * math.ceil((sequence_tokens + evidence_tokens) / 64)
    if isinstance(context_tokens, Unknown) or objective == "long-context":
        return length
    return min(length, context_tokens)


@fact(unit="tokens", cite=("book:memory-bottlenecks",))
def planned_tokens(max_length: int, trained_tokens: int, spare_tokens: int) -> int:
    """Length of the longest row that memory is planned for; a longer one meets the steps for when memory runs out."""
    return min(max_length, trained_tokens - spare_tokens)


@fact(unit="tokens", cite=TACTICS)
def said_tokens(spec: Spec) -> int:
    """Tokens that every row to train on begins or ends with: the instruction with its labels, marks of turns."""
    listed = len(", ".join(spec.task.output.labels or ()).encode()) / LABEL_BYTES_PER_TOKEN
    return math.ceil(len(spec.task.description.encode()) / BYTES_PER_TOKEN + listed + MARK_TOKENS)


@fact(unit="times", cite=("krell-2021-packing",))
def rows_in_sequence(max_length: int, row_tokens: float, thresholds: Mapping[str, float]) -> float:
    """Rows of the mean length that would go into one sequence of the length trained at."""
    return max_length / (row_tokens + thresholds["instruction_tokens"])


@fact(unit="times", cite=TACTICS)
def length_over_context(row_tokens: float, context_tokens: int, thresholds: Mapping[str, float]) -> float:
    """Mean length of a row with its instruction, as a multiple of the base model's context."""
    return (row_tokens + thresholds["instruction_tokens"]) / context_tokens


@fact(unit="times", cite=TACTICS)
def median_over_context(survey: Survey, context_tokens: int, said_tokens: int) -> float | Unknown:
    """Length of a row in the middle of the training data with what stands around it, over the base's context."""
    data = survey.data.get("train") or survey.data.get("preferences")
    if data is None or data.tokens is None:
        return Unknown("the training rows were not read")
    return (data.tokens.p50 + said_tokens) / context_tokens


@fact(cite=("book:finetuning-and-rag",))
def finetune_planned(rungs: list[str]) -> bool:
    """Whether a rung of the plan trains weights."""
    return "finetune" in rungs


@fact(cite=("book:peft",))
def last_method(objective: str, method: str, pair_method: str) -> str:
    """Which weights the last stage of training trains: the one on pairs where raw text comes first."""
    return pair_method if objective == "continued-pretraining+sft" else method


@fact(unit="rows", cite=TACTICS)
def training_rows_seen(training_rows: int, epochs: float) -> float:
    """Rows that training looks at, over all epochs."""
    return training_rows * epochs


@fact(unit="sequences", cite=(*TACTICS, "krell-2021-packing"))
def sequences_seen(
    training_rows_seen: float,
    rows_in_sequence: float | Unknown,
    raw_text_seen: float,
    max_length: int,
    objective: str,
    *,
    packing: bool,
) -> float:
    """Sequences that training looks at, over all epochs: rows, or where they are packed, what they fill."""
    if not packing:
        return training_rows_seen
    if objective == "continued-pretraining":
        return raw_text_seen / max_length
    return training_rows_seen / (1.0 if isinstance(rows_in_sequence, Unknown) else max(1.0, rows_in_sequence))


@fact(unit="rows", cite=(*TACTICS, *REGRET))
def batch_for_steps(sequences_seen: float, thresholds: Mapping[str, float]) -> int:
    """Largest power of two of rows, or of packed sequences, a step, within bounds, that leaves enough steps."""
    batch = int(thresholds["largest_effective_batch"])
    while batch > thresholds["smallest_effective_batch"] and sequences_seen / batch < thresholds["fewest_steps"]:
        batch //= 2
    return batch


@fact(unit="steps", cite=TACTICS)
def optimizer_steps(sequences_seen: float, effective_batch: int) -> int:
    """Steps of the optimizer over the whole training."""
    return math.ceil(sequences_seen / effective_batch)


@fact(unit="rows", cite=TACTICS)
def accumulation_steps(effective_batch: int, micro_batch: int, data_parallel: int) -> int:
    """Micro-batches of each device whose gradients are added up to one step."""
    return math.ceil(effective_batch / (micro_batch * data_parallel))


@fact(unit="rows", cite=TACTICS)
def rows_a_step(accumulation: int, micro_batch: int, data_parallel: int) -> int:
    """Rows of one optimizer step over all devices, as set up."""
    return accumulation * micro_batch * data_parallel


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


@fact(unit="", cite=("trl-docs", "adapt-measurements"))
def preference_learning_rate(optimizer_steps: int, thresholds: Mapping[str, float]) -> float:
    """An adapter's learning rate on comparisons, with which it gets about as far in few steps as in many.

    Adam moves a weight by about its rate at each step, so the way is the rate times the steps.
    """
    rate = thresholds["preference_way"] / max(1, optimizer_steps)
    within = min(max(rate, thresholds["lowest_preference_rate"]), thresholds["highest_preference_rate"])
    return float(f"{within:.1e}")


@fact(unit="times", cite=("book:lora",))
def alpha_over_rank(alpha: float, rank: int) -> float:
    """How strongly an adapter is scaled: alpha divided by the rank."""
    return alpha / rank


@fact(unit="times", cite=TACTICS)
def rate_over_usual(learning_rate: float, lora_learning_rate: float, full_learning_rate: float, method: str) -> float:
    """The learning rate as a multiple of what the method usually takes."""
    return learning_rate / (full_learning_rate if method in ("full", "partial", "galore") else lora_learning_rate)
