"""Facts about memory: which share of a device each method needs, at the high end of its estimate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.documents import GB
from planner.facts.model import architecture_of, inference_bytes
from planner.facts.registry import Unknown, fact
from planner.memory import EstimateError, estimate_training, training_setting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.memory import TrainingEstimate
    from planner.survey import Survey

MEMORY = ("book:memory-bottlenecks", "korthikanti-2022")


def training_estimate(
    survey: Survey,
    base_model: str,
    method: str,
    sequence: int,
    micro_batch: int,
    *,
    checkpointing: bool,
    rank: int = 16,
) -> TrainingEstimate | Unknown:
    """Peak memory of one device for a step of training, as the train executor will set it up.

    Args:
        survey: what is at hand.
        base_model: id of the model.
        method: a word of the decision `method` that the memory math knows.
        sequence: tokens of a row.
        micro_batch: rows at once.
        checkpointing: whether activations are recomputed.
        rank: rank of a LoRA-like adapter.
    """
    shape = architecture_of(survey.models[base_model])
    if isinstance(shape, Unknown):
        return shape
    fields: dict[str, Any] = {
        "method": method,
        "rank": rank,
        "sequence": sequence,
        "batch": micro_batch,
        "checkpointing": checkpointing,
        "padding_mask": micro_batch > 1,
    }
    try:
        return estimate_training(shape, training_setting(**fields))
    except EstimateError as error:
        return Unknown(str(error))


def _share(survey: Survey, base_model: str, method: str, sequence: int, device: int) -> float | Unknown:
    """The least a method can do with: one row at a time, activations recomputed."""
    estimate = training_estimate(survey, base_model, method, sequence, 1, checkpointing=True)
    return estimate if isinstance(estimate, Unknown) else estimate.device_bytes.high / device


@fact(unit="fraction", cite=MEMORY)
def full_memory_share(
    survey: Survey, base_model: str, sequence_tokens: int, device_memory_bytes: int
) -> float | Unknown:
    """Share of one device that full finetuning needs at least."""
    return _share(survey, base_model, "full", sequence_tokens, device_memory_bytes)


@fact(unit="fraction", cite=(*MEMORY, "hu-2021-lora"))
def lora_memory_share(
    survey: Survey, base_model: str, sequence_tokens: int, device_memory_bytes: int
) -> float | Unknown:
    """Share of one device that LoRA on a 16-bit base needs at least."""
    return _share(survey, base_model, "lora", sequence_tokens, device_memory_bytes)


@fact(unit="fraction", cite=(*MEMORY, "dettmers-2023-qlora"))
def qlora_memory_share(
    survey: Survey, base_model: str, sequence_tokens: int, device_memory_bytes: int
) -> float | Unknown:
    """Share of one device that LoRA on a 4-bit base needs at least."""
    return _share(survey, base_model, "qlora", sequence_tokens, device_memory_bytes)


@fact(unit="fraction", cite=(*MEMORY, "dettmers-2023-qlora"))
def least_training_share(lora_memory_share: float, qlora_memory_share: float) -> float:
    """Share of one device that the thriftiest way of training needs."""
    return min(lora_memory_share, qlora_memory_share)


@fact(unit="fraction", cite=MEMORY)
def plain_memory_share(
    survey: Survey, base_model: str, method: str, sequence_tokens: int, device_memory_bytes: int, micro_batch: int
) -> float | Unknown:
    """Share of one device that the chosen method needs with its micro-batch and without gradient checkpointing."""
    estimate = training_estimate(survey, base_model, method, sequence_tokens, micro_batch, checkpointing=False)
    return estimate if isinstance(estimate, Unknown) else estimate.device_bytes.high / device_memory_bytes


@fact(unit="rows", cite=MEMORY)
def largest_micro_batch(
    survey: Survey,
    base_model: str,
    method: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    effective_batch: int,
    thresholds: Mapping[str, float],
) -> int | Unknown:
    """Largest power of two of rows at once, up to the effective batch, that fits with activations recomputed."""
    batch = effective_batch
    while batch > 1:
        estimate = training_estimate(survey, base_model, method, sequence_tokens, batch, checkpointing=True)
        if isinstance(estimate, Unknown):
            return estimate
        if estimate.device_bytes.high <= thresholds["memory_share_limit"] * device_memory_bytes:
            break
        batch //= 2
    return batch


@fact(unit="fraction", cite=MEMORY)
def inference_memory_share(survey: Survey, base_model: str, device_memory_bytes: int) -> float | Unknown:
    """Share of one device that answering one request in 16 bits needs."""
    estimate = inference_bytes(survey.models[base_model], "bf16")
    return estimate if isinstance(estimate, Unknown) else estimate / device_memory_bytes


@fact(unit="fraction", cite=MEMORY)
def int4_memory_share(survey: Survey, base_model: str, device_memory_bytes: int) -> float | Unknown:
    """Share of one device that answering one request with 4-bit weights needs."""
    estimate = inference_bytes(survey.models[base_model], "nf4")
    return estimate if isinstance(estimate, Unknown) else estimate / device_memory_bytes


@fact(unit="times", cite=MEMORY)
def serving_ratio(survey: Survey, base_model: str, max_serving_memory_gb: float) -> float | Unknown:
    """Memory that serving in 16 bits needs, as a multiple of what the spec allows."""
    estimate = inference_bytes(survey.models[base_model], "bf16")
    return estimate if isinstance(estimate, Unknown) else estimate / (max_serving_memory_gb * GB)
