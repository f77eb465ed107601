"""Facts about the machine that merges and quantizes: main memory at the widest moment, against what there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact
from planner.facts.serving_memory import served_shape
from planner.memory import (
    EstimateError,
    estimate_adapter_merge,
    estimate_merge,
    estimate_quantization,
    estimate_training,
    training_setting,
)

if TYPE_CHECKING:
    from planner.survey import Survey

TRANSFORMING = ("book:model-merging", "mergekit-docs")
# An adapter is added in fp32: bf16 holds 8 bits, and small updates would vanish in the sum.
SUM_BYTES = 4


@fact(unit="bytes", cite=(*TRANSFORMING, "peft-docs"))
def merge_host_bytes(
    survey: Survey, base_model: str, merged_parameters: int | Unknown, merge: str, merge_into: str, merge_sources: int
) -> float | Unknown:
    """Main memory of the plan's widest merge: models tensor by tensor, an adapter into its whole base in fp32."""
    if merge == "none" and merge_into == "none":
        return Unknown("nothing is merged")
    shape = served_shape(survey, base_model, merged_parameters)
    if isinstance(shape, Unknown):
        return shape
    found = []
    if merge != "none":
        found.append(estimate_merge(shape, sources=max(1, merge_sources), method=merge))
    if merge_into != "none":
        found.append(estimate_adapter_merge(shape, value=SUM_BYTES))
    return float(max(each.host_bytes.high if shape.known else each.host_bytes.expected for each in found))


@fact(unit="fraction", cite=TRANSFORMING)
def merge_host_share(merge_host_bytes: float, host_memory_bytes: int) -> float:
    """Share of the main memory that merging needs."""
    return merge_host_bytes / host_memory_bytes


@fact(unit="bytes", cite=("frantar-2022-gptq", "book:quantization"))
def quantize_host_bytes(
    survey: Survey, base_model: str, merged_parameters: int | Unknown, quantization: str
) -> float | Unknown:
    """Main memory of quantizing: whole weights for methods that calibrate, one piece at a time for the others."""
    shape = served_shape(survey, base_model, merged_parameters)
    if isinstance(shape, Unknown):
        return shape
    if quantization == "none":
        return Unknown("nothing is quantized")
    try:
        estimate = estimate_quantization(shape, method=quantization)
    except EstimateError as error:
        return Unknown(str(error))
    return float(estimate.host_bytes.expected)


@fact(unit="fraction", cite=("book:quantization",))
def quantize_host_share(quantize_host_bytes: float, host_memory_bytes: int) -> float:
    """Share of the main memory that quantizing needs."""
    return quantize_host_bytes / host_memory_bytes


@fact(unit="fraction", cite=("kim-2023-solar", "book:memory-bottlenecks"))
def healing_share(
    survey: Survey,
    base_model: str,
    merged_parameters: int,
    merge_training: str,
    method: str,
    sequence_tokens: int,
    device_memory_bytes: int,
) -> float | Unknown:
    """Share of one device that further training of a stack or mixture needs: it is larger than its parts."""
    if merge_training == "none":
        return Unknown("nothing is trained after a merge")
    shape = served_shape(survey, base_model, merged_parameters)
    if isinstance(shape, Unknown):
        return shape
    try:
        setting = training_setting(
            method=method, sequence=sequence_tokens, batch=1, checkpointing=True, trainer="adapt"
        )
        return estimate_training(shape, setting).device_bytes.expected / device_memory_bytes
    except EstimateError as error:
        return Unknown(str(error))
