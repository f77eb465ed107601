"""Bytes on disk of checkpoints, adapters and results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.fixed import fixed_bytes
from planner.memory.inference import weight_bytes
from planner.memory.interval import Interval
from planner.memory.loading import check_count
from planner.memory.optimizer import paged_bytes
from planner.memory.parameters import trainable_tensors
from planner.memory.regime import ALL_WEIGHTS, regime_of

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.setting import TrainingSetting

#: Tokenizer, configuration, generator states and logs of one checkpoint, in bytes.
SMALL_FILES = Interval(1e6, 15e6, 60e6)


def checkpoint_bytes(architecture: Architecture, setting: TrainingSetting) -> Interval:
    """Return the bytes of one training checkpoint: what trains, and its optimizer states [transformers: Trainer].

    Args:
        architecture: from `read_architecture`.
        setting: method, dtypes and optimizer.

    Raises:
        EstimateError: when a target names no module of the model.
    """
    single = setting.model_copy(update={"sharding": "single", "devices": 1, "offload": "none"})
    regime = regime_of(single)
    fixed = fixed_bytes(architecture, single)
    tensors = trainable_tensors(architecture, single)
    in_place = single.method in ALL_WEIGHTS or single.method in {"partial", "bitfit", "router"}
    value = regime.weight if in_place else regime.adapter
    saved = architecture.parameters * regime.weight if in_place else sum(t.values * t.times * value for t in tensors)
    states = fixed.states + paged_bytes(single, tensors, value)
    total = saved + states
    return Interval(total * 0.98 + SMALL_FILES.low, total + SMALL_FILES.expected, total * 1.02 + SMALL_FILES.high)


def run_bytes(
    architecture: Architecture, setting: TrainingSetting, *, checkpoints: int = 2, merged: bool = True
) -> Interval:
    """Return the bytes a run needs on disk: its checkpoints, one being written, and the merged result in bf16.

    Raises:
        EstimateError: when checkpoints is not a positive whole number.
    """
    check_count("checkpoints", checkpoints)
    each = checkpoint_bytes(architecture, setting)
    result = weight_bytes(architecture, "bf16") if merged else 0.0
    return each.times(checkpoints + 1).plus(result)
