"""Weights and states of which every process holds a part: how they are shared out, gathered and set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch.distributed.tensor import DTensor, distribute_tensor

if TYPE_CHECKING:
    import torch

    from executors.train.ranks import Ranks


def shard(model: Any, blocks: list[Any], ranks: Ranks) -> None:
    """Share the weights out, block by block: each process holds its part and gathers a block when it computes.

    FSDP2 [zhao-2023-fsdp] by torch itself, since the trainer's own switch does nothing on a processor.

    Args:
        model: whole, in main memory; it is moved to the device part by part.
        blocks: its transformer blocks.
        ranks: the processes.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    mesh = init_device_mesh(ranks.device, (ranks.count,))
    for block in blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(model, mesh=mesh)
    # accelerate would wrap the model once more.
    model._is_accelerate_prepared = True


def whole(weight: torch.nn.Parameter) -> torch.Tensor:
    """A weight of which this process may hold a part, gathered into main memory; all processes must ask."""
    if hasattr(weight, "ds_id"):  # ZeRO-3
        from deepspeed.runtime import zero  # type: ignore[import-not-found, unused-ignore]

        with zero.GatheredParameters([weight]):
            return weight.detach().cpu().clone().contiguous()
    value = weight.detach()
    full: torch.Tensor = value.full_tensor() if isinstance(value, DTensor) else value
    return full.cpu().contiguous()


def take(held: torch.Tensor, value: torch.Tensor) -> None:
    """Set a tensor, of which this process may hold a part, to a value that every process has."""
    if isinstance(held, DTensor):
        value = distribute_tensor(value.to(held.device), held.device_mesh, held.placements, src_data_rank=None)
    held.copy_(value)


def gathered(model: Any, optimizer: Any) -> dict[str, Any]:
    """The states of an optimizer in main memory, by names of parameters; empty but in the first process."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, get_optimizer_state_dict

    options = StateDictOptions(full_state_dict=True, cpu_offload=True)
    states: dict[str, Any] = get_optimizer_state_dict(model, optimizer, options=options)
    return states


def scattered(model: Any, optimizer: Any, states: dict[str, Any]) -> None:
    """Set the states of an optimizer to what was gathered, each process its part."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_optimizer_state_dict

    set_optimizer_state_dict(model, optimizer, states, options=StateDictOptions(full_state_dict=True))
