"""The processes that train together: how many, which of them this is, and what they tell each other."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import distributed

from executors.train.spreading import BY_FSDP

if TYPE_CHECKING:
    from executors.train.params import TrainParams

T = TypeVar("T")
# Loading a large model takes one process longer than another.
PATIENCE = timedelta(hours=1)


@dataclass(frozen=True)
class Ranks:
    """One process of several; of one, everything here does nothing."""

    number: int = 0
    count: int = 1
    device: str = "cpu"
    sharded: bool = False
    """Whether each process holds a part of the model."""

    @property
    def first(self) -> bool:
        """Whether this is the process that writes."""
        return self.number == 0

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over all processes, in place."""
        if self.count > 1:
            distributed.all_reduce(values)
        return values

    def agreed(self, value: T) -> T:
        """What the first process has."""
        if self.count == 1:
            return value
        held = [value]
        distributed.broadcast_object_list(held, device=torch.device("cpu"))
        return held[0]

    def alike(self, value: float) -> bool:
        """Whether all have the same value; all learn the same answer."""
        others = torch.tensor([float(value != self.agreed(value))])
        return not self.sum(others).item()

    def wait(self) -> None:
        """Until all have come here."""
        if self.count > 1:
            # Through main memory: no device has to be idle for it.
            distributed.all_reduce(torch.zeros(1))


def join(params: TrainParams, device: str) -> Ranks:
    """Join the processes that torchrun started; gloo connects main memories, and what the device offers its own.

    Raises:
        KeyError: they were not started by torchrun.
    """
    if params.distribution == "single":
        return Ranks(device=device)
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    backend = "gloo" if device == "cpu" else f"cpu:gloo,{device}:{distributed.get_default_backend_for_device(device)}"
    distributed.init_process_group(backend, timeout=PATIENCE)
    return Ranks(distributed.get_rank(), distributed.get_world_size(), device, params.distribution in BY_FSDP)


def leave() -> None:
    """End what `join` began; who is not done yet goes on without this process."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
