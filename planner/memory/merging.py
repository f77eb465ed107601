"""Memory of merging models: an adapter into its base, or several models tensor by tensor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.interval import Interval
from planner.memory.loading import PROCESS_BYTES, PhaseEstimate, check_count
from planner.memory.regime import FP32, HALF

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture

#: This much is gathered before it is written, in bytes: see SHARD_BYTES of executors.merge.writing.
SHARD_BYTES = 5e8
#: fp32 copies of one tensor, a source, that a method works on.
WORK_COPIES = {
    "linear": 2,
    "slerp": 4,
    "chained-slerp": 4,
    "federated-average": 2,
    "task-arithmetic": 3,
    "ties": 5,
    "dare-linear": 4,
    "dare-ties": 5,
    "della": 5,
}


def estimate_merge(
    architecture: Architecture, *, sources: int = 2, method: str = "linear", value: int = HALF
) -> PhaseEstimate:
    """Return the host memory of merging models of one architecture, streamed tensor by tensor.

    Each tensor is read from every source, worked on in fp32 and written; whole models are never held, and the writer
    holds one shard of output.

    Args:
        architecture: that of all sources.
        sources: how many models are merged, the base included.
        method: a name of `WORK_COPIES`; others are taken to need as much as the largest.
        value: bytes a value on disk.

    Raises:
        EstimateError: when sources is not a positive whole number.
    """
    check_count("sources", sources)
    largest = max(
        (
            *(linear.weights for linear, _ in architecture.matrices()),
            *(table.parameters for table in architecture.embeddings),
        )
    )
    output = architecture.parameters * value
    copies = WORK_COPIES.get(method, max(WORK_COPIES.values()))
    work = largest * (sources * value + (copies + sources - 1) * FP32)
    shard = min(SHARD_BYTES, output)
    items = {"tensors": int(work), "shard": int(shard), "process": int(PROCESS_BYTES.expected)}
    host = Interval(
        PROCESS_BYTES.low + largest * sources * value + 0.5 * shard,
        PROCESS_BYTES.expected + work + shard,
        PROCESS_BYTES.high + 1.5 * work + 2 * shard,
    )
    none = Interval(0, 0, 0)
    return PhaseEstimate(none, host, Interval(output, output, output * 1.01), items, architecture.missing)


def estimate_adapter_merge(
    architecture: Architecture, *, value: int = HALF, adapter_bytes: float = 0.0
) -> PhaseEstimate:
    """Return the host memory of merging a LoRA adapter into its base in place [peft: merge_and_unload].

    The base is held once; the widest moment adds the largest product of two factors, in fp32 and in the base's dtype.
    Saving streams the tensors.
    """
    weights = architecture.parameters * value
    largest = max((linear.weights for linear, _ in architecture.matrices() if linear.role != "head"), default=0)
    delta = largest * (FP32 + value)
    items = {"weights": int(weights), "adapter": int(adapter_bytes), "temporary": int(delta)}
    total = weights + adapter_bytes + delta
    host = Interval(
        PROCESS_BYTES.low + weights, PROCESS_BYTES.expected + total, PROCESS_BYTES.high + 1.1 * total + largest * FP32
    )
    return PhaseEstimate(
        Interval(0, 0, 0), host, Interval(weights, weights, weights * 1.01), items, architecture.missing
    )
