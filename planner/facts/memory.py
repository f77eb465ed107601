"""Facts about memory: which share of a device each method needs, at the high end of its estimate.

Every share here is the least that a method can do with: one row at a time, activations recomputed. Above 1 it does
not fit. What the chosen method needs as it will be set up is in `spreading`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.facts.estimating import arithmetic, device_bytes
from planner.facts.model import inference_bytes, parameters_of
from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from planner.survey import Survey

MEMORY = ("book:memory-bottlenecks", "korthikanti-2022")
SHARDED = (*MEMORY, "zhao-2023-fsdp", "rajbhandari-2019-zero")
OFFLOADED = (*MEMORY, "ren-2021-zero-offload")
# Bytes on the host for each parameter: fp32 weights, gradients and two states, or frozen 16-bit weights.
HOST_BYTES_FULL, HOST_BYTES_FROZEN = 16.0, 2.0


def share(survey: Survey, base_model: str, device: int, **fields: Any) -> float | Unknown:
    """Share of a device of so many bytes that a setting needs."""
    processor = survey.hardware.device.kind == "cpu"
    needed = device_bytes(survey.models[base_model], processor=processor, **fields)
    return needed if isinstance(needed, Unknown) else needed / device


def _least(
    survey: Survey,
    base_model: str,
    sequence: int,
    device: int,
    numbers: tuple[str, str],
    **more: Any,
) -> float | Unknown:
    fields = {"batch": 1, "sequence": sequence, "checkpointing": True, **arithmetic(*numbers), **more}
    return share(survey, base_model, device, **fields)


def _spread(devices: int) -> dict[str, Any]:
    return {"sharding": "fsdp", "devices": devices} if devices > 1 else {}


@fact(unit="fraction", cite=MEMORY)
def full_memory_share(
    survey: Survey, base_model: str, sequence_tokens: int, device_memory_bytes: int, precision: str, objective: str
) -> float | Unknown:
    """Share of one device that full finetuning needs at least, with AdamW in mixed precision."""
    return _least(survey, base_model, sequence_tokens, device_memory_bytes, (precision, objective), method="full")


@fact(unit="fraction", cite=(*MEMORY, "dettmers-2021-8bit-optimizers"))
def full_thrifty_share(
    survey: Survey, base_model: str, sequence_tokens: int, device_memory_bytes: int, precision: str, objective: str
) -> float | Unknown:
    """Share of one device that full finetuning needs with 8-bit states that page to the host."""
    optimizer = "paged-adamw-8bit"
    numbers = (precision, objective)
    return _least(survey, base_model, sequence_tokens, device_memory_bytes, numbers, method="full", optimizer=optimizer)


@fact(unit="fraction", cite=SHARDED)
def full_sharded_share(
    survey: Survey,
    base_model: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    device_count: int,
    precision: str,
    objective: str,
    full_memory_share: float,
) -> float | Unknown:
    """Share of each device that full finetuning needs when all devices share weights, gradients and states."""
    if device_count == 1:
        return full_memory_share
    numbers = (precision, objective)
    found = _least(
        survey,
        base_model,
        sequence_tokens,
        device_memory_bytes,
        numbers,
        method="full",
        **_spread(device_count),
    )
    return found if isinstance(found, Unknown) else min(found, full_memory_share)


@fact(unit="fraction", cite=OFFLOADED)
def full_offload_share(
    survey: Survey,
    base_model: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    host_memory_bytes: int,
    precision: str,
    objective: str,
) -> float | Unknown:
    """Share of a device, or of main memory if that is larger, that full finetuning needs with weights on the host."""
    numbers = (precision, objective)
    found = _least(
        survey, base_model, sequence_tokens, device_memory_bytes, numbers, method="full", offload="parameters"
    )
    return _with_host(survey, base_model, found, host_memory_bytes, HOST_BYTES_FULL)


def _with_host(survey: Survey, base_model: str, found: float | Unknown, host: int, each: float) -> float | Unknown:
    size = parameters_of(survey.models[base_model])
    if isinstance(found, Unknown) or size is None:
        return found
    return max(found, size * each / host)


@fact(unit="fraction", cite=OFFLOADED)
def full_least_share(
    full_sharded_share: float, full_thrifty_share: float, full_offload_share: float | Unknown, device_kind: str
) -> float:
    """Share that full finetuning needs in the thriftiest way that the hardware offers: paged states, the host."""
    known = [full_sharded_share]
    if device_kind == "cuda":
        known.append(full_thrifty_share)
    return min(known if isinstance(full_offload_share, Unknown) else [*known, full_offload_share])


@fact(unit="fraction", cite=(*MEMORY, "hu-2021-lora"))
def lora_memory_share(
    survey: Survey,
    base_model: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    precision: str,
    objective: str,
) -> float | Unknown:
    """Share of one device that LoRA on a 16-bit base needs at least."""
    return _least(survey, base_model, sequence_tokens, device_memory_bytes, (precision, objective), method="lora")


@fact(unit="fraction", cite=(*SHARDED, "hu-2021-lora"))
def lora_sharded_share(
    survey: Survey,
    base_model: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    device_count: int,
    precision: str,
    objective: str,
    lora_memory_share: float,
) -> float | Unknown:
    """Share of each device that LoRA on a 16-bit base needs when all devices share the base."""
    if device_count == 1:
        return lora_memory_share
    numbers = (precision, objective)
    spread = _spread(device_count)
    found = _least(survey, base_model, sequence_tokens, device_memory_bytes, numbers, method="lora", **spread)
    return found if isinstance(found, Unknown) else min(found, lora_memory_share)


@fact(unit="fraction", cite=OFFLOADED)
def lora_offload_share(
    survey: Survey,
    base_model: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    host_memory_bytes: int,
    device_kind: str,
    precision: str,
    objective: str,
) -> float | Unknown:
    """Share of a device, or of main memory if that is larger, that LoRA needs with the base's weights on the host."""
    if device_kind == "cpu":
        return Unknown("a processor's memory is the host's already")
    numbers = (precision, objective)
    found = _least(
        survey, base_model, sequence_tokens, device_memory_bytes, numbers, method="lora", offload="parameters"
    )
    return _with_host(survey, base_model, found, host_memory_bytes, HOST_BYTES_FROZEN)


@fact(unit="fraction", cite=OFFLOADED)
def lora_least_share(lora_sharded_share: float, lora_offload_share: float | Unknown) -> float:
    """Share that LoRA on a 16-bit base needs in the thriftiest way that the hardware offers, the host included."""
    return (
        lora_sharded_share if isinstance(lora_offload_share, Unknown) else min(lora_sharded_share, lora_offload_share)
    )


@fact(unit="fraction", cite=(*MEMORY, "dettmers-2023-qlora"))
def qlora_memory_share(
    survey: Survey,
    base_model: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    precision: str,
    objective: str,
) -> float | Unknown:
    """Share of one device that LoRA on a 4-bit base needs at least."""
    return _least(survey, base_model, sequence_tokens, device_memory_bytes, (precision, objective), method="qlora")


@fact(unit="fraction", cite=(*SHARDED, "dettmers-2023-qlora"))
def qlora_sharded_share(
    survey: Survey,
    base_model: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    device_count: int,
    precision: str,
    objective: str,
    qlora_memory_share: float,
) -> float | Unknown:
    """Share of each device that LoRA on a 4-bit base needs when all devices share the base."""
    if device_count == 1:
        return qlora_memory_share
    numbers = (precision, objective)
    spread = _spread(device_count)
    found = _least(survey, base_model, sequence_tokens, device_memory_bytes, numbers, method="qlora", **spread)
    return found if isinstance(found, Unknown) else min(found, qlora_memory_share)


@fact(unit="fraction", cite=(*MEMORY, "zhao-2024-galore"))
def galore_memory_share(
    survey: Survey,
    base_model: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    precision: str,
    objective: str,
    galore_rank: int,
) -> float | Unknown:
    """Share of one device that training every weight through projected gradients needs at least."""
    numbers = (precision, objective)
    return _least(survey, base_model, sequence_tokens, device_memory_bytes, numbers, method="galore", rank=galore_rank)


@fact(unit="fraction", cite=MEMORY)
def partial_memory_share(
    survey: Survey,
    base_model: str,
    sequence_tokens: int,
    device_memory_bytes: int,
    precision: str,
    objective: str,
    last_layers: int,
) -> float | Unknown:
    """Share of one device that training the last quarter of the layers needs at least."""
    numbers = (precision, objective)
    return _least(
        survey, base_model, sequence_tokens, device_memory_bytes, numbers, method="partial", layers_trained=last_layers
    )


@fact(unit="fraction", cite=(*MEMORY, "dettmers-2023-qlora"))
def least_training_share(lora_least_share: float, qlora_sharded_share: float) -> float:
    """Share of one device that the thriftiest way needs: a 4-bit base, all devices, or the host's memory."""
    return min(lora_least_share, qlora_sharded_share)


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
