"""Distillation: a student learns which tokens a teacher holds for likely, beside the tokens of the rows."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint

from executors.bottleneck import decoder_layers
from executors.models import load_adapter, load_model, load_tokenizer
from executors.train.loss import CHUNK_LOGITS, HeadRows
from executors.train.params import given
from executors.train.precision import autocast
from executors.train.preflight import Ready, finding, preflight
from executors.train.sharding import shard
from executors.train.trainer import SupervisedTrainer
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.contract import Job
    from executors.train.methods.applied import Applied
    from executors.train.training import Training

with warnings.catch_warnings():
    # That it may move within trl is said at every import; constraints.txt pins trl.
    warnings.simplefilter("ignore")
    from trl.experimental.gkd import GKDTrainer


@dataclass(frozen=True, kw_only=True)
class Taught(Ready):
    """What passed, and who teaches."""

    teacher: Path
    adapter: Path | None


def prepare(job: Job) -> Ready:
    """As for supervised training; the teacher must have the student's vocabulary.

    Raises:
        AdaptError: with a finding for each thing that is wrong.
    """
    if "teacher" not in job.inputs:
        message = "Distillation has no input `teacher`, whose distribution the student would learn."
        raise InputError.one("TRAIN040", message, "Name the teacher's folder, or train on its rows by sft.")
    teacher = Path(job.inputs["teacher"])
    student, theirs = (load_tokenizer(folder).get_vocab() for folder in (Path(job.inputs["model"]), teacher))
    if student != theirs:
        shared = len(student.items() & theirs.items())
        message = (
            f"The teacher's vocabulary is another one: {shared} of the student's {len(student)} tokens have the same "
            "number there, so that their distributions cannot be compared."
        )
        fix = "Take a teacher of the student's family, or let the teacher write rows and train on them by sft."
        raise InputError([finding("TRAIN041", message, fix, str(teacher))])
    adapter = job.inputs.get("teacher_adapter")
    return _taught(preflight(job), teacher, Path(adapter) if adapter else None)


def _taught(ready: Ready, teacher: Path, adapter: Path | None) -> Taught:
    fields = {name: getattr(ready, name) for name in ready.__dataclass_fields__}
    return Taught(**fields, teacher=teacher, adapter=adapter)


class DistillingTrainer(SupervisedTrainer):
    """Trains on the teacher's distributions [hinton-2015-distillation], by trl's divergence [agarwal-2023-gkd]."""

    def __init__(self, applied: Applied, plan: Training) -> None:
        super().__init__(applied, plan)
        ready, params = plan.ready, plan.params
        if not isinstance(ready, Taught):
            raise TypeError("distillation was prepared without a teacher")
        device = "cpu" if plan.ranks.sharded else plan.device
        teacher = load_model(ready.teacher, params.base_dtype, attention=params.attention, device=device)
        self.teacher = teacher if ready.adapter is None else load_adapter(teacher, ready.adapter)
        self.teacher.requires_grad_(False)  # noqa: FBT003 - torch's own
        if plan.ranks.sharded:
            shard(self.teacher, decoder_layers(self.teacher), plan.ranks)
        self.taught = HeadRows(self.teacher)
        self.let_share(self.teacher, self.taught)

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        """The weighted sum over tokens of what the teacher and what the row says."""
        asked = (batch["ids"], batch["kept"], batch["places"], batch.get("prefix"))
        with autocast(self.plan.params.precision, self.plan.device):
            with torch.no_grad():
                taught = self.taught.logits(self.teacher, *asked)
            logits = self.head.logits(model, *asked)
        # Some models pad their vocabulary to a round number.
        width = min(logits.shape[1], taught.shape[1])
        rows = max(1, CHUNK_LOGITS // width)
        pieces = zip(
            logits[:, :width].split(rows),
            taught[:, :width].split(rows),
            batch["targets"].split(rows),
            batch["weights"].split(rows),
            strict=True,
        )
        # Wide copies of the logits are held for one piece at a time, and made again on the way back.
        losses = [checkpoint(self._piece, *piece, use_reentrant=False) for piece in pieces]
        return torch.stack(losses).sum()

    def _piece(
        self, logits: torch.Tensor, taught: torch.Tensor, targets: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        params = self.plan.params
        wide, hard, heat = logits.float(), given(params.hard_label_weight), given(params.distill_temperature)
        losses = hard * torch.nn.functional.cross_entropy(wide, targets, reduction="none")
        if hard < 1:
            apart = GKDTrainer.generalized_jsd_loss(
                wide, taught.float(), beta=given(params.divergence), temperature=heat, reduction="none"
            )
            # Gradients of softened distributions are smaller by the square of the temperature.
            losses = losses + (1 - hard) * heat**2 * apart.sum(1)
        return (losses * weights).sum()
