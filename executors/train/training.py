"""What a training has beside its model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executors.train.ranks import Ranks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from executors.train.batches import EpochBatches
    from executors.train.params import TrainParams
    from executors.train.preflight import Ready
    from executors.train.watch import Watch


@dataclass(frozen=True)
class Training:
    """All that a training needs beside the model."""

    params: TrainParams
    ready: Ready
    batches: EpochBatches
    watch: Watch
    folder: Path
    """Where checkpoints are kept."""
    device: str
    ranks: Ranks = field(default_factory=Ranks)
    trackers: Sequence[str] = ()
    """Who else is told of losses; see `executors.train.trackers`."""
