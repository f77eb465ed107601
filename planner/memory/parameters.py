"""How many values train under each method: equal to peft's own count."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.regime import ALL_WEIGHTS, LOW_RANK
from planner.memory.targets import adapter_rank, check_targets

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.setting import TrainingSetting


def trainable_tensors(architecture: Architecture, setting: TrainingSetting) -> list[tuple[int, int]]:
    """Return (values, how many such tensors) of everything that trains.

    Raises:
        EstimateError: when a target names no module of the model.
    """
    if setting.method in ALL_WEIGHTS:
        return all_tensors(architecture)
    if setting.method in LOW_RANK:
        check_targets(architecture, setting.targets)
        tensors: list[tuple[int, int]] = []
        for linear, count in architecture.matrices():
            rank = adapter_rank(linear, setting.targets, setting.rank) * linear.copies
            if rank:
                tensors += [(rank * linear.inputs, count), (rank * linear.outputs, count)]
                if setting.method == "dora":
                    tensors.append((linear.outputs, count))
        return tensors
    return []


def all_tensors(architecture: Architecture) -> list[tuple[int, int]]:
    """Return (values, how many such tensors) of every parameter of the model, shared ones once."""
    tensors: list[tuple[int, int]] = []
    for linear, count in architecture.matrices():
        if not (linear.role == "head" and architecture.tied):
            tensors.append((linear.weights, count))
        if linear.bias:
            tensors.append((linear.outputs * linear.copies, count))
    for block in architecture.blocks:
        tensors += [(m.parameters, block.count) for m in block.small_modules if m.parameters]
    return tensors + [(m.parameters, 1) for m in architecture.small_modules if m.parameters]


def total_parameters(architecture: Architecture) -> int:
    """Return the values in the base model, shared ones once."""
    return architecture.parameters


def trainable_parameters(architecture: Architecture, setting: TrainingSetting) -> int:
    """Return how many values train under the setting's method.

    Raises:
        EstimateError: when a target names no module of the model.
    """
    if setting.method in ALL_WEIGHTS:
        return architecture.parameters
    return sum(values * count for values, count in trainable_tensors(architecture, setting))
