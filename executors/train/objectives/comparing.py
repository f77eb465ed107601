"""Trainers of preference training: trl's losses, on likelihoods that are computed as leanly as those of text."""

from __future__ import annotations

import warnings
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from transformers import TrainingArguments
from trl import DPOTrainer, KTOTrainer

from executors.train.belonging import SINGLE_ANSWERS
from executors.train.keeping import IDLE, KeptTrainer, settings
from executors.train.objectives.likelihood import Scores, padded, reference
from executors.train.params import given

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from executors.train.methods.applied import Applied
    from executors.train.params import TrainParams
    from executors.train.training import Training

with warnings.catch_warnings():
    # That it may move within trl is said at every import; constraints.txt pins trl.
    warnings.simplefilter("ignore")
    from trl.experimental.orpo import ORPOTrainer


class ComparingTrainer(KeptTrainer):
    """What all losses share: a step reads two sequences a row, with what the reference made of both."""

    refers = True
    """Whether the loss compares with the model that training starts from."""

    def __init__(self, applied: Applied, plan: Training) -> None:
        own = TrainingArguments(**settings(plan), activation_checkpointing=plan.params.gradient_checkpointing)
        self.scores = Scores(applied, plan)
        self.rows = self._encoded(plan.ready.train.kept)
        validation = plan.ready.validation
        kept = sorted(validation.kept if validation else (), key=lambda each: (-each.tokens, each.id))
        held, size = self._encoded(kept), plan.params.micro_batch
        self.validation = [held[start : start + size] for start in range(0, len(held), size)]
        self.begin(applied, plan, args=own, train_dataset=self.rows)
        self.losses = _losses(plan.params, self)

    def collate(self, rows: Sequence[dict[str, Any]], *, learning: bool) -> dict[str, Any]:  # noqa: ARG002
        """Sequences of all rows, then the others of all rows, and of each row whether its answer is good."""
        pad = self.plan.ready.tokenizer.pad_token_id
        batch: dict[str, Any] = padded([row[side] for side in ("own", "other") for row in rows], pad)
        batch["good"] = torch.tensor([row["good"] for row in rows])
        batch["reference"] = torch.tensor([[row["before"][side] for row in rows] for side in (0, 1)])
        batch["tokens"] = sum(len(row[side]["input_ids"]) for row in rows for side in ("own", "other"))
        return batch

    def weight(self, batch: dict[str, Any]) -> torch.Tensor:
        """The number of rows."""
        return torch.tensor(float(len(batch["good"])), device=batch["good"].device)

    def results(self) -> dict[str, float]:
        """Of the validation rows: how often, and by how much, the good answer has the greater reward."""
        self.model.eval()
        found = torch.zeros(3)
        with torch.no_grad():
            for batch in self.held_out():
                margins = self.judged(batch).cpu()
                counted = torch.stack([(margins > 0).sum(), margins.sum(), torch.tensor(len(margins))])
                found += 0.0 if IDLE in batch else counted
        self.model.train()
        right, margin, rows = self.plan.ranks.sum(found).tolist()
        if not rows:
            return {}
        return {"validation_reward_accuracy": right / rows, "validation_reward_margin": margin / rows}

    def judged(self, batch: dict[str, Any]) -> torch.Tensor:
        """By how much each row of a batch is rewarded as it was judged [rafailov-2023-dpo]."""
        before = batch["reference"] if self.refers else 0.0
        own, other = given(self.plan.params.preference_beta) * (self.likelihoods(batch) - before)
        return own - other

    def likelihoods(self, batch: dict[str, Any], model: Any = None) -> torch.Tensor:
        """Log-probabilities (2, rows) of both answers of every row."""
        ids, mask = batch["input_ids"], batch["completion_mask"]
        found: torch.Tensor = self.scores(model, input_ids=ids, labels=ids.masked_fill(mask == 0, -1)).log_probs
        return found.sum(1).view(2, -1)

    def _encoded(self, kept: Sequence[Any]) -> list[dict[str, Any]]:
        """Rows with both sequences, of those that were compared, and what the reference made of them."""
        sides = [side for each in kept for side in (each, each.other)]
        before = reference(self.scores, sides) if self.refers and sides else [0.0] * len(sides)
        return [
            {"own": each.encoded, "other": each.other.encoded, "good": each.good, "before": before[2 * at : 2 * at + 2]}
            for at, each in enumerate(kept)
        ]


class PairTrainer(ComparingTrainer):
    """Trains on comparisons by one of the losses of DPO and its kin."""

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        """The sum over comparisons."""
        better, worse = batch["reference"]
        asked = _sequences(batch) | {"ref_chosen_logps": better, "ref_rejected_logps": worse}
        return self.losses.mean(partial(self.scores, model), asked) * len(better)


class VerdictTrainer(ComparingTrainer):
    """Trains on good and bad answers by a loss on single ones."""

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        """The sum over answers; how far the model has moved is estimated by each forward pass on its own rows."""
        rows = len(batch["good"])
        both = _sequences(batch)
        asked = {name: value[:rows] for name, value in both.items()}
        asked |= {f"KL_{name}": value[rows:] for name, value in both.items()}
        before, strange = batch["reference"]
        asked |= {"label": batch["good"], "ref_logps": before, "ref_KL_logps": strange}
        self.losses.counts = IDLE not in batch
        return self.losses.mean(partial(self.scores, model), asked) * rows

    def judged(self, batch: dict[str, Any]) -> torch.Tensor:
        """By how much each answer is rewarded, the bad ones turned round."""
        moved, _ = given(self.plan.params.preference_beta) * (self.likelihoods(batch) - batch["reference"])
        return torch.where(batch["good"], moved, -moved)


class OddsTrainer(ComparingTrainer):
    """Learns the good answers, and raises their odds against the bad ones; without a reference [hong-2024-orpo]."""

    refers = False

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        """The sum over comparisons."""
        better, worse = self.likelihoods(batch, model)
        odds, *_ = self.losses.odds_ratio_loss(better, worse)
        return (-better - odds).sum()

    def likelihoods(self, batch: dict[str, Any], model: Any = None) -> torch.Tensor:
        """The same a token of the answer."""
        return super().likelihoods(batch, model) / batch["completion_mask"].sum(1).view(2, -1)


def trainer_for(applied: Applied, plan: Training) -> ComparingTrainer:
    """The trainer of the loss that is asked for."""
    loss = given(plan.params.preference_loss)
    kind = VerdictTrainer if loss in SINGLE_ANSWERS else OddsTrainer if loss == "orpo" else PairTrainer
    return kind(applied, plan)


def _sequences(batch: dict[str, Any]) -> dict[str, torch.Tensor]:
    """As trl names them; it counts tokens by the attention mask, of which nothing here depends."""
    ids, mask = batch["input_ids"], batch["completion_mask"]
    return {"input_ids": ids, "attention_mask": mask, "completion_mask": mask}


class _Alone:
    """One process: nothing is gathered in a loss."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def gather(self, value: Any) -> Any:
        """The value of this process."""
        return value

    gather_for_metrics = gather


class _Losses:
    """The losses of a trainer of trl, without its handling of models, data and logs."""

    def __init__(self, params: TrainParams, trainer: ComparingTrainer) -> None:
        self.model, self.args = trainer.model, trainer.args
        self.accelerator = _Alone(trainer.args.device)
        self.beta = given(params.preference_beta)
        self.precompute_ref_logps = True
        self.aux_loss_enabled = False
        self._tp_size = 1

    def mean(self, scores: Callable[..., Any], asked: dict[str, torch.Tensor]) -> torch.Tensor:
        """The mean over the rows of a batch."""
        self._metrics: Any = defaultdict(lambda: defaultdict(list))
        self._total_train_tokens = 0
        loss: torch.Tensor = self._compute_loss(scores, asked, return_outputs=False)  # type: ignore[attr-defined]
        return loss


class _PairLosses(_Losses, DPOTrainer):  # type: ignore[misc]
    def __init__(self, params: TrainParams, trainer: ComparingTrainer) -> None:
        super().__init__(params, trainer)
        self.loss_types, self.loss_weights = [given(params.preference_loss)], [1.0]
        self.label_smoothing = given(params.label_smoothing)
        self.ld_alpha = None
        self.f_divergence_type = "reverse_kl"
        self.use_weighting = False


class _VerdictLosses(_Losses, KTOTrainer):  # type: ignore[misc]
    def __init__(self, params: TrainParams, trainer: ComparingTrainer) -> None:
        super().__init__(params, trainer)
        self.loss_type = given(params.preference_loss)
        self.calculate_KL = self.loss_type == "kto"
        self.desirable_weight = given(params.desirable_weight)
        self.undesirable_weight = given(params.undesirable_weight)
        self.ranks, self.counts = trainer.plan.ranks, True

    def _compute_kl_logps(self, model: Any, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        """Such that the model has moved as far here as it has on the rows of all processes, as on those of one."""
        said, before = super()._compute_kl_logps(model, batch), batch["ref_KL_logps"]
        if self.ranks.count == 1 or said is None:
            return said
        here = torch.stack([(said - before).sum(), torch.tensor(float(len(said)), device=said.device)])
        moved, rows = self.ranks.sum(here * self.counts)
        return before + moved / rows


class _Odds(_Losses, ORPOTrainer):  # type: ignore[misc]
    pass


def _losses(params: TrainParams, trainer: ComparingTrainer) -> Any:
    loss = given(params.preference_loss)
    kind = _VerdictLosses if loss in SINGLE_ANSWERS else _Odds if loss == "orpo" else _PairLosses
    return kind(params, trainer)
