"""Bytes of optimizer states, and what a step needs besides."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from planner.memory.regime import FP32
from planner.memory.weights import allocated, packed

if TYPE_CHECKING:
    from planner.memory.parameters import Tensors
    from planner.memory.setting import Optimizer, TrainingSetting

#: Smaller tensors keep fp32 states, and smaller ones than this are not paged [bitsandbytes-0.50: optimizer.py].
SMALLEST_8BIT, SMALLEST_PAGED = 4096, 100_000
#: Values of state for each trainable value, in the parameter's own dtype.
STATES: dict[str, int] = {"adamw": 2, "adamw-foreach": 2, "paged-adamw": 2, "momentum": 1, "lion": 1, "sgd": 0}


def state_bytes(setting: TrainingSetting, tensors: list[Tensors], value: int) -> float:
    """Return the bytes of optimizer states on the device.

    Plain optimizers keep states in the parameter's dtype. GaLore keeps Adam's states of a projected gradient and the
    projection itself for each matrix [galore-2024].
    """
    if setting.method == "galore":
        return sum(part.times * _galore(part, setting.rank, value) for part in tensors)
    return _states(setting.optimizer, tensors, value)


def _states(optimizer: Optimizer | str, tensors: list[Tensors], value: int) -> float:
    if optimizer == "adafactor":
        return sum(part.times * _adafactor(part) for part in tensors)
    if optimizer == "muon":
        # Momentum for matrices, Adam for the rest [muon-2024].
        return sum(part.times * (1 if part.rows > 1 else 2) * allocated(part.values * value) for part in tensors)
    if optimizer.startswith("paged"):
        small = [part for part in tensors if part.values < SMALLEST_PAGED]
        return _states(optimizer.removeprefix("paged-"), small, value)
    if optimizer.endswith("8bit"):
        return sum(part.times * _eight_bit(part.values, 2 if optimizer.startswith("adamw") else 1) for part in tensors)
    states = STATES[optimizer]
    return packed((part.values * value, part.times) for part in tensors for _ in range(states))


def paged_bytes(setting: TrainingSetting, tensors: list[Tensors], value: int) -> float:
    """Return the bytes of states that a paged optimizer holds in unified memory, which the host backs."""
    if not setting.optimizer.startswith("paged"):
        return 0.0
    large = [part for part in tensors if part.values >= SMALLEST_PAGED]
    return _states(setting.optimizer.removeprefix("paged-"), large, value)


def step_bytes(optimizer: Optimizer, gradients: float) -> float:
    """Return the temporary bytes of the step: foreach kernels keep one more copy of every gradient."""
    return gradients if optimizer == "adamw-foreach" else 0.0


def _eight_bit(values: int, states: int) -> float:
    """One byte a state and a four-byte scale for each 256 values [8-bit-optimizers-2022]."""
    if values < SMALLEST_8BIT:
        return states * allocated(FP32 * values)
    return states * (allocated(values) + allocated(FP32 * ceil(values / 256)))


def _adafactor(part: Tensors) -> float:
    """Second moments as a row and a column in fp32, in full for vectors [adafactor-2018]."""
    if part.rows <= 1:
        return allocated(FP32 * part.values)
    return allocated(FP32 * part.rows) + allocated(FP32 * part.values // part.rows)


def _galore(part: Tensors, rank: int, value: int) -> float:
    columns = part.values // part.rows
    short, long = sorted((part.rows, columns))
    if short <= rank:
        return 2.0 * allocated(part.values * value)
    return 2.0 * allocated(rank * long * value) + allocated(rank * short * value)
