"""Bytes of optimizer states, and what a step needs besides."""

from __future__ import annotations

from math import ceil, sqrt
from typing import TYPE_CHECKING

from planner.memory.weights import allocated

if TYPE_CHECKING:
    from planner.memory.setting import Optimizer

#: Smaller tensors keep fp32 states, and smaller ones than this are not paged [bitsandbytes-0.50: optimizer.py].
SMALLEST_8BIT, SMALLEST_PAGED = 4096, 100_000
#: Values of state for each trainable value, in the parameter's own dtype.
STATES: dict[str, int] = {
    "adamw": 2,
    "adamw-foreach": 2,
    "paged-adamw": 2,
    "momentum": 1,
    "lion": 1,
    "sgd": 0,
    "muon": 1,
}


def state_bytes(optimizer: Optimizer, tensors: list[tuple[int, int]], value: int) -> float:
    """Return the bytes of optimizer states on the device.

    Plain optimizers keep states in the parameter's dtype; 8-bit ones one byte a state and a four-byte scale for each
    256 values, in fp32 below 4,096 values [bitsandbytes-0.50: optimizer.py]; paged ones hold large states on the host.
    """
    if optimizer == "adafactor":
        return sum(4.0 * count * ceil(sqrt(values)) * 2 for values, count in tensors)
    if optimizer.startswith("paged"):
        small = [(values, count) for values, count in tensors if values < SMALLEST_PAGED]
        return state_bytes("adamw-8bit" if optimizer.endswith("8bit") else "adamw", small, value)
    if optimizer.endswith("8bit"):
        states = 2 if optimizer.startswith("adamw") else 1
        total = 0.0
        for values, count in tensors:
            each = (
                allocated(4 * values)
                if values < SMALLEST_8BIT
                else allocated(values) + allocated(4 * ceil(values / 256))
            )
            total += states * count * each
        return total
    states = STATES[optimizer]
    return sum(states * count * allocated(values * value) for values, count in tensors)


def step_bytes(optimizer: Optimizer, gradients: float) -> float:
    """Return the temporary bytes of the step: foreach kernels keep one more copy of every gradient."""
    return gradients if optimizer == "adamw-foreach" else 0.0
