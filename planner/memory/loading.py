"""Memory while a model is read from disk: the device, and the host that reads the shards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.memory.errors import EstimateError
from planner.memory.inference import weight_bytes
from planner.memory.interval import Interval, around

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture

#: Interpreter, torch and transformers in host memory before anything is read, in bytes.
PROCESS_BYTES = Interval(0.6e9, 0.9e9, 1.6e9)
#: Shards written by save_pretrained hold at most this [transformers: max_shard_size].
SHARD_BYTES = 50e9


@dataclass(frozen=True, slots=True)
class PhaseEstimate:
    """Peak bytes of a phase: on one device, in host memory, and what it leaves on disk."""

    device_bytes: Interval
    host_bytes: Interval
    disk_bytes: Interval
    items: dict[str, int]
    assumptions: tuple[str, ...] = ()


def estimate_loading(
    architecture: Architecture, *, dtype: str = "bf16", stored: str = "bf16", to_device: bool = True
) -> PhaseEstimate:
    """Return the peak of reading a checkpoint.

    Tensors are mapped from safetensors and copied one at a time, so the peak is the weights plus the largest tensor in
    the stored format, which quantization on the fly holds beside its result [transformers: core_model_loading].

    Args:
        architecture: from `read_architecture`.
        dtype: format in memory, as for `weight_bytes`.
        stored: format on disk.
        to_device: weights go to a device; otherwise they stay on the host.

    Raises:
        EstimateError: for an unknown format.
    """
    _known(dtype)
    _known(stored)
    weights = weight_bytes(architecture, dtype)
    on_disk = weight_bytes(architecture, stored)
    value = on_disk / max(architecture.parameters, 1)
    largest = max((linear.weights for linear, _ in architecture.matrices()), default=0)
    tables = max((table.parameters for table in architecture.embeddings), default=0)
    beside = value * max(largest, tables) if dtype != stored else 0.0
    target = around(weights + beside, 0.02, 0.06)
    if to_device:
        mapped = value * max(largest, tables)
        host = Interval(
            PROCESS_BYTES.low, PROCESS_BYTES.expected + mapped, PROCESS_BYTES.high + min(on_disk, SHARD_BYTES)
        )
        device = target
    else:
        host = Interval(*(a + b for a, b in zip(target, PROCESS_BYTES, strict=True)))
        device = Interval(0, 0, 0)
    items = {"weights": int(weights), "temporary": int(beside)}
    return PhaseEstimate(device, host, Interval(on_disk, on_disk, on_disk), items, architecture.missing)


def _known(dtype: str) -> None:
    from planner.memory.errors import unknown_name
    from planner.memory.inference import VALUE_BYTES

    if dtype not in VALUE_BYTES:
        raise unknown_name("dtype", dtype, VALUE_BYTES)


def check_count(field: str, value: int) -> None:
    """Refuse a count that is not a positive whole number.

    Raises:
        EstimateError: when it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise EstimateError(f"{field} is {value!r}.", field=field, value=value, allowed="a positive whole number")
