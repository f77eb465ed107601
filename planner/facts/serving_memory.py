"""Facts about the memory of serving: what the result needs in 16, 8 and 4 bits, against what serving may take."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from planner.documents import GB
from planner.documents.hardware import DeviceFacts
from planner.facts.model import architecture_of, of_size, parameters_of
from planner.facts.registry import Unknown, fact
from planner.facts.words import words_of
from planner.memory import (
    Architecture,
    EstimateError,
    InferenceEstimate,
    cache_bytes,
    estimate_inference,
    inference_setting,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Spec
    from planner.survey import Survey

SERVING = ("book:memory-bottlenecks", "book:quantization")
# Runtimes that hold the weights and nothing else of note: no CUDA context, no allocator that keeps blocks.
LEAN = ("device", "cpu")
# Servers read a long prompt in pieces: only a piece's activations live at once [vllm-docs: chunked prefill].
PREFILL_TOKENS = 2048


@lru_cache(maxsize=2048)
def _estimate(shape: Architecture, fields: tuple[tuple[str, Any], ...]) -> InferenceEstimate | Unknown:
    try:
        return estimate_inference(shape, inference_setting(**dict(fields)))
    except EstimateError as error:
        return Unknown(str(error))


@fact(cite=SERVING, words=(*words_of(DeviceFacts, "kind"), "device"))
def serving_kind(deployment: str | Unknown, device_kind: str) -> str:
    """Kind of machine that serves: `device` for one at the edge, else that of the hardware at hand."""
    return "device" if deployment == "device" else device_kind


@fact(unit="bytes", cite=SERVING)
def serving_memory_bytes(spec: Spec, survey: Survey, serving_kind: str) -> int | Unknown:
    """Memory that serving may take: the spec's limit, or else all devices of one machine at hand."""
    if spec.constraints.max_serving_memory_gb:
        return int(spec.constraints.max_serving_memory_gb * GB)
    if serving_kind == "device":
        return Unknown("the spec does not say how much memory the device leaves for serving")
    device = survey.hardware.device
    return device.memory_bytes * device.count or Unknown("the memory of the machine is not known")


@fact(cite=SERVING)
def serving_limit_given(spec: Spec) -> bool:
    """Whether the spec limits the memory for serving."""
    return spec.constraints.max_serving_memory_gb is not None


@fact(unit="tokens", cite=SERVING)
def serving_tokens(
    max_input_tokens: int | Unknown,
    longest_row_tokens: int | Unknown,
    context_tokens: int | Unknown,
    thresholds: Mapping[str, float],
) -> int:
    """Tokens that the key-value cache must hold for one request: the longest input known, with room for an answer."""
    asked = next((value for value in (max_input_tokens, longest_row_tokens) if isinstance(value, int)), None)
    length = int((asked or thresholds["assumed_prompt_tokens"]) + thresholds["assumed_answer_tokens"])
    return min(length, context_tokens) if isinstance(context_tokens, int) else length


@fact(unit="adapters", cite=("sheng-2023-s-lora",))
def resident_adapters(tenants: int, rungs: list[str], thresholds: Mapping[str, float]) -> int:
    """Adapters that lie in memory beside the base at one time; the others are loaded when they are asked for."""
    return min(tenants, int(thresholds["resident_adapters"])) if tenants > 1 and "finetune" in rungs else 0


def served_shape(survey: Survey, base_model: str, merged: int | Unknown) -> Architecture | Unknown:
    """The architecture that is served: the base's, or for a merge that grows the model, one of the result's size."""
    source = survey.merge_sources[0].shape if survey.merge_sources else None
    model = source or survey.models[base_model]
    shape = architecture_of(model)
    if isinstance(shape, Unknown) or not isinstance(merged, int) or merged in (shape.parameters, parameters_of(model)):
        return shape
    return of_size(merged)


def _needed(
    shape: Architecture | Unknown, dtype: str, tokens: int, adapters: int, rank: int, kind: str, cache: str = "bf16"
) -> tuple[float, float] | Unknown:
    """Least and probable need in bytes: of a shape that is known the high end, of one guessed from a size the middle.

    The high end of a guess is so wide that it would forbid what plainly works.
    """
    if isinstance(shape, Unknown):
        return shape
    chunk = min(tokens, PREFILL_TOKENS)
    fields = {"dtype": dtype, "prompt": chunk, "generated": tokens - chunk, "adapters": adapters, "rank": rank}
    fields["cache_dtype"] = cache
    found = _estimate(shape, tuple(sorted(fields.items())))
    if isinstance(found, Unknown):
        return found
    interval = found.allocated_bytes if kind in LEAN else found.device_bytes
    return float(interval.low), float(interval.high if shape.known else interval.expected)


def _share(needed: tuple[float, float] | Unknown, limit: int, end: int = 1) -> float | Unknown:
    return needed if isinstance(needed, Unknown) else needed[end] / limit


@fact(unit="fraction", cite=SERVING)
def serving_share_16bit(
    survey: Survey,
    base_model: str,
    merged_parameters: int | Unknown,
    serving_tokens: int,
    resident_adapters: int,
    rank: int,
    serving_kind: str,
    serving_memory_bytes: int,
) -> float | Unknown:
    """Share of the memory for serving that 16-bit weights, the cache of one request and resident adapters need."""
    shape = served_shape(survey, base_model, merged_parameters)
    needed = _needed(shape, "bf16", serving_tokens, resident_adapters, rank, serving_kind)
    return _share(needed, serving_memory_bytes)


@fact(unit="fraction", cite=(*SERVING, "dettmers-2022-llm-int8"))
def serving_share_8bit(
    survey: Survey,
    base_model: str,
    merged_parameters: int | Unknown,
    serving_tokens: int,
    resident_adapters: int,
    rank: int,
    serving_kind: str,
    serving_memory_bytes: int,
) -> float | Unknown:
    """The same with 8-bit weights."""
    shape = served_shape(survey, base_model, merged_parameters)
    needed = _needed(shape, "int8", serving_tokens, resident_adapters, rank, serving_kind)
    return _share(needed, serving_memory_bytes)


@fact(cite=SERVING)
def serving_setting(quantization_bits: int, kv_cache: str, serving_kind: str) -> list[str]:
    """Format of the weights, format of the cache, and kind of machine, as they were decided."""
    weights = {4: "int4", 8: "int8"}.get(quantization_bits, "bf16")
    return [weights, "bf16" if kv_cache == "16-bit" else kv_cache, serving_kind]


@fact(unit="fraction", cite=SERVING)
def served_share(
    serving_setting: list[str],
    survey: Survey,
    base_model: str,
    merged_parameters: int | Unknown,
    serving_tokens: int,
    resident_adapters: int,
    rank: int,
    serving_memory_bytes: int,
) -> float | Unknown:
    """Share of the memory for serving that the result needs as it was decided to be served."""
    bits, cache, kind = serving_setting
    shape = served_shape(survey, base_model, merged_parameters)
    return _share(_needed(shape, bits, serving_tokens, resident_adapters, rank, kind, cache), serving_memory_bytes)


@fact(unit="fraction", cite=SERVING)
def least_serving_share(
    survey: Survey,
    base_model: str,
    merged_parameters: int | Unknown,
    serving_tokens: int,
    serving_kind: str,
    serving_memory_bytes: int,
) -> float | Unknown:
    """Share of the memory for serving that 4-bit weights without adapters need at the very least."""
    shape = served_shape(survey, base_model, merged_parameters)
    return _share(_needed(shape, "int4", serving_tokens, 0, 1, serving_kind), serving_memory_bytes, end=0)


@fact(unit="fraction", cite=(*SERVING, "kwon-2023-vllm"))
def cache_share(
    survey: Survey, base_model: str, merged_parameters: int | Unknown, serving_tokens: int, serving_memory_bytes: int
) -> float | Unknown:
    """Share of the memory for serving that the 16-bit key-value cache of one request takes at full length."""
    shape = served_shape(survey, base_model, merged_parameters)
    if isinstance(shape, Unknown):
        return shape
    return cache_bytes(shape, inference_setting(prompt=serving_tokens, generated=0)) / serving_memory_bytes
