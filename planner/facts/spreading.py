"""Facts about the chosen method's memory: on one device, spread over several, with the host's help, as set up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.facts.estimating import SHARDING, arithmetic, query_value_targets
from planner.facts.memory import HOST_BYTES_FROZEN, HOST_BYTES_FULL, MEMORY, OFFLOADED, SHARDED, share
from planner.facts.model import parameters_of
from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.survey import Survey

# Methods whose every weight has a gradient and states on the device.
WHOLE = frozenset({"full", "galore", "partial"})
TARGETED = frozenset({"lora", "qlora", "dora", "relora", "longlora"})
# Objectives whose rows may share what they begin with.
SHARING = ("sft", "continued-pretraining+sft", "distillation", "long-context")
ESTIMATED_OPTIMIZERS = frozenset({"adamw", "adamw-8bit", "paged-adamw-8bit"})


def method_fields(method: str, *, bits: str = "nf4", layers: int | Unknown = 1) -> dict[str, Any]:
    """The fields of a memory setting that a word of the decision `method` stands for."""
    if method == "qlora" and bits == "int8":
        return {"method": "lora-8bit"}
    fields: dict[str, Any] = {"method": method}
    if method == "partial" and not isinstance(layers, Unknown):
        fields["layers_trained"] = layers
    return fields


def spread_fields(distribution: str, offload: str, devices: int) -> dict[str, Any]:
    """The fields of a memory setting that the words of `distribution` and `offload` stand for."""
    fields: dict[str, Any] = {}
    if distribution in SHARDING and distribution != "single" and devices > 1:
        fields |= {"sharding": SHARDING[distribution], "devices": devices}
    if offload != "none":
        fields["offload"] = offload
    return fields


@fact(cite=MEMORY)
def memory_setting(
    base_model: str,
    method: str,
    base_quantization: str,
    precision: str,
    objective: str,
    planned_tokens: int,
    last_layers: int | Unknown,
) -> str:
    """The chosen model, method, base, number format, objective and length, in one line."""
    return "|".join(
        map(str, (base_model, method, base_quantization, precision, objective, planned_tokens, _whole(last_layers)))
    )


def _whole(layers: int | Unknown) -> int:
    return 1 if isinstance(layers, Unknown) else layers


def chosen_share(survey: Survey, memory_setting: str, device: int, **more: Any) -> float | Unknown:
    """Share of a device that the chosen method needs; one row at a time, activations recomputed, unless `more` says."""
    base_model, method, bits, precision, objective, sequence, layers = memory_setting.rsplit("|", 6)
    fields: dict[str, Any] = {"batch": 1, "sequence": int(sequence), "checkpointing": method != "prefix-tuning"}
    fields |= arithmetic(precision, objective) | method_fields(method, bits=bits, layers=int(layers)) | more
    return share(survey, base_model, device, **fields)


@fact(unit="fraction", cite=MEMORY)
def method_memory_share(survey: Survey, memory_setting: str, device_memory_bytes: int) -> float | Unknown:
    """Share of one device that the chosen method needs at least, with AdamW."""
    return chosen_share(survey, memory_setting, device_memory_bytes)


@fact(unit="fraction", cite=(*MEMORY, "dettmers-2021-8bit-optimizers"))
def method_thrifty_share(survey: Survey, memory_setting: str, device_memory_bytes: int) -> float | Unknown:
    """Share of one device that the chosen method needs at least, with 8-bit paged states."""
    return chosen_share(survey, memory_setting, device_memory_bytes, optimizer="paged-adamw-8bit")


@fact(unit="fraction", cite=SHARDED)
def method_zero2_share(
    survey: Survey, memory_setting: str, device_memory_bytes: int, device_count: int
) -> float | Unknown:
    """Share of each device that the chosen method needs when gradients and states are shared out, weights are not."""
    return chosen_share(survey, memory_setting, device_memory_bytes, **spread_fields("zero-2", "none", device_count))


@fact(unit="fraction", cite=SHARDED)
def method_sharded_share(
    survey: Survey, memory_setting: str, device_memory_bytes: int, device_count: int
) -> float | Unknown:
    """Share of each device that the chosen method needs when weights, gradients and states are shared out."""
    return chosen_share(survey, memory_setting, device_memory_bytes, **spread_fields("fsdp", "none", device_count))


@fact(unit="fraction", cite=OFFLOADED)
def states_on_host_share(
    survey: Survey, memory_setting: str, device_memory_bytes: int, host_memory_bytes: int, method: str
) -> float | Unknown:
    """Share of one device, or of main memory, that the chosen method needs with optimizer states on the host."""
    found = chosen_share(survey, memory_setting, device_memory_bytes, offload="optimizer")
    return _and_host(survey, memory_setting, found, host_memory_bytes, method)


@fact(unit="fraction", cite=OFFLOADED)
def weights_on_host_share(
    survey: Survey, memory_setting: str, device_memory_bytes: int, host_memory_bytes: int, method: str
) -> float | Unknown:
    """Share of one device, or of main memory, that the chosen method needs with weights and states on the host."""
    found = chosen_share(survey, memory_setting, device_memory_bytes, offload="parameters")
    return _and_host(survey, memory_setting, found, host_memory_bytes, method)


def _and_host(survey: Survey, memory_setting: str, found: float | Unknown, host: int, method: str) -> float | Unknown:
    size = parameters_of(survey.models[memory_setting.rsplit("|", 6)[0]])
    if isinstance(found, Unknown) or size is None:
        return found
    return max(found, size * (HOST_BYTES_FULL if method in WHOLE else HOST_BYTES_FROZEN) / host)


@fact(cite=SHARDED)
def spread_setting(distribution: str, offload: str, device_count: int) -> str:
    """How training is spread, what waits on the host and over how many devices, in one line."""
    return f"{distribution}|{offload}|{device_count}"


def _spread(spread_setting: str) -> dict[str, Any]:
    distribution, offload, devices = spread_setting.split("|")
    return spread_fields(distribution, offload, int(devices))


@fact(unit="fraction", cite=SHARDED)
def spread_memory_share(
    survey: Survey, memory_setting: str, device_memory_bytes: int, spread_setting: str
) -> float | Unknown:
    """Share of each device that one row at a time needs as training is spread, with AdamW."""
    return chosen_share(survey, memory_setting, device_memory_bytes, **_spread(spread_setting))


@fact(unit="devices", cite=SHARDED)
def data_parallel(distribution: str, device_count: int) -> int:
    """Devices that see different rows of one optimizer step."""
    return device_count if distribution in ("ddp", "fsdp", "zero-2", "zero-3") else 1


@fact(cite=MEMORY)
def set_up(
    spread_setting: str,
    optimizer: str,
    rank: int,
    attention: str,
    said_tokens: int,
    objective: str,
    *,
    share_prefix: bool,
) -> str:
    """How training is spread, its optimizer, rank and attention, and tokens that rows share, in one line."""
    shared = said_tokens if share_prefix and objective in SHARING else 0
    return f"{spread_setting}|{optimizer}|{rank}|{attention}|{shared}"


def _as_set_up(set_up: str) -> dict[str, Any]:
    spread, optimizer, rank, attention, shared = set_up.rsplit("|", 4)
    known = optimizer if optimizer in ESTIMATED_OPTIMIZERS else "adamw"
    fields = {"optimizer": known, "rank": int(rank), "attention": attention, "shared": int(shared)}
    return _spread(spread) | fields


@fact(unit="fraction", cite=MEMORY)
def plain_memory_share(
    survey: Survey, memory_setting: str, device_memory_bytes: int, set_up: str, micro_batch: int
) -> float | Unknown:
    """Share of each device that the chosen set-up needs with its micro-batch and without gradient checkpointing."""
    fields = _as_set_up(set_up) | {"batch": micro_batch, "checkpointing": False}
    return chosen_share(survey, memory_setting, device_memory_bytes, **fields)


@fact(unit="rows", cite=MEMORY)
def largest_micro_batch(
    survey: Survey,
    memory_setting: str,
    device_memory_bytes: int,
    set_up: str,
    data_parallel: int,
    effective_batch: int,
    thresholds: Mapping[str, float],
) -> int | Unknown:
    """Largest power of two of rows at once on a device that fits, up to its part of the effective batch."""
    batch = 1 << max(0, (effective_batch // data_parallel).bit_length() - 1)
    while batch > 1:
        found = chosen_share(survey, memory_setting, device_memory_bytes, **_as_set_up(set_up), batch=batch)
        if isinstance(found, Unknown):
            return found
        if found <= thresholds["memory_share_limit"]:
            break
        batch //= 2
    return batch


@fact(unit="fraction", cite=("hu-2021-lora",))
def all_linear_share(
    survey: Survey, memory_setting: str, device_memory_bytes: int, spread_setting: str, rank: int
) -> float | Unknown:
    """Share of each device that one row at a time needs with adapters on every linear layer."""
    return _with_targets(survey, memory_setting, device_memory_bytes, spread_setting, rank=rank)


@fact(unit="fraction", cite=("hu-2021-lora",))
def query_value_share(
    survey: Survey, memory_setting: str, device_memory_bytes: int, spread_setting: str, rank: int
) -> float | Unknown:
    """Share of each device that one row at a time needs with adapters on queries and values alone."""
    names = query_value_targets(survey.models[memory_setting.rsplit("|", 6)[0]])
    if not names:
        return Unknown("the model names its queries and values otherwise")
    return _with_targets(survey, memory_setting, device_memory_bytes, spread_setting, rank=rank, targets=names)


def _with_targets(
    survey: Survey, memory_setting: str, device: int, spread_setting: str, **more: Any
) -> float | Unknown:
    if memory_setting.rsplit("|", 6)[1] not in TARGETED:
        return Unknown("the method has no targets to choose")
    return chosen_share(survey, memory_setting, device, **_spread(spread_setting), **more)
