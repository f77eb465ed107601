"""How weights, gradients and states are spread over devices, and what moves to the host."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from planner.memory.setting import TrainingSetting


class Shares(NamedTuple):
    """Bytes on each device after sharding and offloading, and what that costs on the host of one device's process."""

    weights: float
    gradients: float
    states: float
    host: float


def spread(setting: TrainingSetting, held: Shares, unit: float, *, trained: float) -> Shares:
    """Return what one device holds.

    DDP keeps everything and adds buckets of every gradient [torch: Reducer]. ZeRO-1 shards states, ZeRO-2 gradients
    too, ZeRO-3 and FSDP weights too and gather two units at a time, the one that runs and the next
    [zero-2020; fsdp-2023]. Tensor parallel splits the matrices of blocks.

    Args:
        setting: sharding, devices, offload.
        held: bytes without sharding.
        unit: bytes of the largest unit that is gathered whole (a layer, or embeddings and output layer).
        trained: bytes of gradients, for DDP's buckets.
    """
    count = setting.devices
    weights, gradients, states, host = held
    if count > 1 and setting.sharding != "single":
        kind = setting.sharding
        if kind == "ddp":
            gradients += trained
        if kind in {"zero-1", "zero-2", "zero-3", "fsdp", "tensor-parallel"}:
            states /= count
        if kind in {"zero-2", "zero-3", "fsdp", "tensor-parallel"}:
            gradients /= count
        if kind in {"zero-3", "fsdp"}:
            weights = weights / count + min(2 * unit, weights - weights / count)
        if kind == "tensor-parallel":
            weights /= count
    if setting.offload != "none":
        host += states + gradients
        states = 0.0
    if setting.offload == "parameters":
        host += weights
        weights = min(weights, 2 * unit)
    return Shares(weights, gradients, states, host)
