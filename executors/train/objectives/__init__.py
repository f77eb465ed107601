"""Objectives of training: how rows become examples that passed their checks, and which trainer learns from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from executors.train.objectives import comparing, preference, raw_text
from executors.train.preflight import preflight
from executors.train.trainer import SupervisedTrainer

if TYPE_CHECKING:
    from collections.abc import Callable

    from executors.contract import Job
    from executors.train.keeping import KeptTrainer, Training
    from executors.train.methods.applied import Applied
    from executors.train.preflight import Ready


class Objective(NamedTuple):
    """What is learned, and from what."""

    prepare: Callable[[Job], Ready]
    """Reads and checks all that can be checked without the weights; raises AdaptError with a finding a problem."""
    trainer: Callable[[Applied, Training], KeptTrainer]


OBJECTIVES: dict[str, Objective] = {
    "sft": Objective(preflight, SupervisedTrainer),
    "preference": Objective(preference.prepare, comparing.trainer_for),
    "continued-pretraining": Objective(raw_text.prepare, SupervisedTrainer),
}
