"""Facts about serving: what changes weights, what each variant costs to store, how fast an answer can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.hardware import catalog_entry
from planner.facts.model import architecture_of
from planner.facts.registry import Unknown, fact
from planner.facts.serving_memory import served_shape
from planner.memory import EstimateError, trainable_parameters, training_setting, weight_bytes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.survey import Survey

STORED = ("book:lora", "hu-2021-lora")
# What learns is held in 32 bits, and an adapter is saved so.
LEARNED_BYTES = 4
# Starts of low-rank adapters that are taken off the base's weights.
SUBTRACTED = ("pissa", "olora")
# As transformers names them: families that are written as GGUF, and those that llama.cpp scales as Llama 3.1 in.
GGUF_FAMILIES, BANDED = ("llama", "mistral", "qwen2", "qwen3"), ("llama", "mistral")
# What llama.cpp takes for YaRN in these families, whatever the file says.
GGUF_YARN = {"beta_fast": 32, "beta_slow": 1, "truncate": True}
# Methods of quantization that fit the rounding to what runs through the layers.
CALIBRATED = frozenset({"gptq", "awq", "w4a16", "w8a8"})


@fact(cite=("book:finetuning-and-rag",))
def weights_change(rungs: list[str], approach: str | Unknown, merge: str) -> bool:
    """Whether a rung of the plan makes weights that nobody has served before."""
    return "finetune" in rungs or (approach == "merge" and merge != "none")


@fact(cite=("book:finetuning-and-rag", "kim-2023-solar"))
def training_planned(rungs: list[str], approach: str | Unknown, merge_training: str) -> bool:
    """Whether a step of the plan trains weights: those of a rung, or those of a stack after its merge."""
    return "finetune" in rungs or (approach == "merge" and merge_training != "none")


@fact(unit="bytes", cite=(*STORED, "peft-docs"))
def adapter_bytes(survey: Survey, base_model: str, method: str, served_rank: int) -> int | Unknown:
    """Bytes of one trained adapter as training leaves it, on all matrix products of the blocks."""
    shape = architecture_of(survey.models[base_model])
    if isinstance(shape, Unknown):
        return shape
    try:
        return LEARNED_BYTES * trainable_parameters(shape, training_setting(method=method, rank=served_rank))
    except EstimateError as error:
        return Unknown(str(error))


@fact(unit="bytes", cite=STORED)
def base_bytes(survey: Survey, base_model: str) -> int | Unknown:
    """Bytes of the base's weights in 16 bits."""
    shape = architecture_of(survey.models[base_model])
    return shape if isinstance(shape, Unknown) else int(weight_bytes(shape, "bf16"))


@fact(unit="bytes", cite=STORED)
def merged_copies_bytes(base_bytes: int, tenants: int) -> int:
    """Bytes of one merged copy for every variant: 100 of a 4096 x 4096 matrix are 1.68 billion values."""
    return base_bytes * tenants


@fact(unit="bytes", cite=STORED)
def shared_base_bytes(base_bytes: int, adapter_bytes: int, tenants: int) -> int:
    """Bytes of one base with an adapter for every variant: 100 of rank 8 on that matrix are 23.3 million values."""
    return base_bytes + adapter_bytes * tenants


@fact(unit="times", cite=STORED)
def storage_saving(merged_copies_bytes: int, shared_base_bytes: int) -> float:
    """How many times more merged copies take than one base with adapters."""
    return merged_copies_bytes / shared_base_bytes


@fact(unit="bytes", cite=STORED)
def served_bytes(
    survey: Survey, base_model: str, merged_parameters: int | Unknown, serving: str, shared_base_bytes: int | Unknown
) -> int | Unknown:
    """Bytes of the files of everything served, whole models in 16 bits, before it is quantized."""
    if serving == "adapters":
        return shared_base_bytes
    shape = served_shape(survey, base_model, merged_parameters)
    return shape if isinstance(shape, Unknown) else int(weight_bytes(shape, "bf16"))


@fact(cite=("book:quantization",))
def base_quantized(survey: Survey, base_model: str) -> bool:
    """Whether the files of the base hold weights that are quantized already."""
    model = survey.models[base_model]
    return model.quantization is not None or model.dtype in ("int8", "int4", "fp8")


@fact(cite=("gguf-docs",))
def base_unpacked(survey: Survey, base_model: str) -> bool:
    """Whether a step of the plan unpacks the base's quantized file into 16 bits, as it does with GGUF."""
    return survey.models[base_model].kind == "gguf"


@fact(cite=("gguf-docs",))
def gguf_written(survey: Survey, base_model: str, model_family: str, scaling: str) -> bool:
    """Whether `adapt run` writes this model as GGUF: its family, and how its positions are scaled."""
    config = survey.models[base_model].config or {}
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if scaling != "none":
        rope = {"rope_type": scaling}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind == "llama3":
        return model_family in BANDED
    usual = kind != "yarn" or all(rope.get(name) in (None, value) for name, value in GGUF_YARN.items())
    return model_family in GGUF_FAMILIES and kind in ("default", "linear", "yarn") and usual


@fact(unit="rank", cite=("peft-docs", "vllm-lora-config"))
def served_rank(rank: int, initialisation: str) -> int:
    """Rank of an adapter as a server loads it: a start that is taken off the base's weights comes back beside it."""
    return 2 * rank if initialisation in SUBTRACTED else rank


@fact(unit="rows", cite=("frantar-2022-gptq", "lin-2023-awq"))
def calibration_rows(train_rows: int, document_rows: int) -> int:
    """Rows that a quantization may be calibrated on: training data or documents, never what is measured on."""
    return train_rows or document_rows


@fact(cite=("frantar-2022-gptq", "lin-2023-awq"))
def rounding_fitted(quantization: str, variants: list[str]) -> bool:
    """Whether the form that is served, or one beside it, fits its rounding to data."""
    return not CALIBRATED.isdisjoint((quantization, *variants))


@fact(unit="weights", cite=("frantar-2022-gptq", "lin-2023-awq"))
def rounding_group(
    survey: Survey, base_model: str, merged_parameters: int | Unknown, thresholds: Mapping[str, float]
) -> int | Unknown:
    """Weights that share a scale: the usual number, halved until it divides the inputs of every layer."""
    shape = served_shape(survey, base_model, merged_parameters)
    if isinstance(shape, Unknown):
        return shape
    inputs = {linear.inputs for linear, _ in shape.matrices() if linear.role != "head"}
    size, least = int(thresholds["quantization_group"]), int(thresholds["small_quantization_group"])
    while size > least and any(each % size for each in inputs):
        size //= 2
    return size


@fact(unit="tokens")
def counted_answer_tokens(
    longest_answer_tokens: int | Unknown, output_format: str, thresholds: Mapping[str, float]
) -> int:
    """Tokens of an answer whose time is counted: the longest known, else a few for a label, dozens for the rest."""
    if isinstance(longest_answer_tokens, int):
        return longest_answer_tokens
    return int(thresholds["label_tokens" if output_format == "label" else "short_answer_tokens"])


@fact(unit="ms", cite=("kwon-2023-vllm",))
def least_answer_ms(
    survey: Survey, base_model: str, merged_parameters: int | Unknown, counted_answer_tokens: int, serving_kind: str
) -> float | Unknown:
    """Least time of an answer in 16 bits: every token reads all weights once at the full speed of the memory."""
    entry = catalog_entry(survey)
    if serving_kind == "device" or entry is None or not entry.bandwidth_gb_per_s:
        return Unknown("the speed of the memory that serves is not known")
    shape = served_shape(survey, base_model, merged_parameters)
    if isinstance(shape, Unknown):
        return shape
    active = shape.active_parameters / shape.parameters * weight_bytes(shape, "bf16")
    return counted_answer_tokens * active / (entry.bandwidth_gb_per_s * 1e6 * survey.hardware.device.count)


@fact(unit="times", cite=("kwon-2023-vllm",))
def latency_ratio(least_answer_ms: float, latency_ms: float) -> float:
    """Least time of an answer in 16 bits, as a multiple of what the spec allows."""
    return least_answer_ms / latency_ms
