"""Objectives of training: how rows become examples that passed their checks, and which trainer learns from them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from executors.models import load_model
from executors.train.objectives import (
    classification,
    comparing,
    distilling,
    infilling,
    long_context,
    preference,
    raw_text,
)
from executors.train.preflight import preflight
from executors.train.trainer import SupervisedTrainer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from executors.contract import Job
    from executors.train.keeping import KeptTrainer
    from executors.train.methods.applied import Applied
    from executors.train.params import TrainParams
    from executors.train.preflight import Ready
    from executors.train.training import Training


def load_writer(base: Path, params: TrainParams, ready: Ready, device: str) -> Any:  # noqa: ARG001 - all load alike
    """The base as a model that writes."""
    bits = params.base_quantization or "none"
    return load_model(base, params.base_dtype, attention=params.attention, device=device, quantization=bits)


class Objective(NamedTuple):
    """What is learned, and from what."""

    prepare: Callable[[Job], Ready]
    """Reads and checks all that can be checked without the weights; raises AdaptError with a finding a problem."""
    trainer: Callable[[Applied, Training], KeptTrainer]
    load: Callable[[Path, TrainParams, Ready, str], Any] = load_writer
    """The base as it is trained: folder, parameters, what was prepared, device."""


OBJECTIVES: dict[str, Objective] = {
    "sft": Objective(preflight, SupervisedTrainer),
    "distillation": Objective(distilling.prepare, distilling.DistillingTrainer),
    "preference": Objective(preference.prepare, comparing.trainer_for),
    "classification-head": Objective(classification.prepare, classification.HeadTrainer, classification.load),
    "long-context": Objective(long_context.prepare, SupervisedTrainer, long_context.load),
    "infilling": Objective(infilling.prepare, SupervisedTrainer, infilling.load),
    "continued-pretraining": Objective(raw_text.prepare, SupervisedTrainer),
}
