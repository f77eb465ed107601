"""The supervised trainer: trl's, learning to predict weighted tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datasets import Dataset
from trl import SFTConfig, SFTTrainer

from executors.train.head_loss import HeadLoss
from executors.train.keeping import KeptTrainer, settings
from executors.train.loss import collate
from executors.train.packing import check_apart
from executors.train.precision import autocast
from executors.train.prefixes import allow, collate_prefixed, forbid

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch

    from executors.train.examples import Example
    from executors.train.loss import HeadRows
    from executors.train.methods.applied import Applied
    from executors.train.training import Training


class SupervisedTrainer(KeptTrainer, SFTTrainer):  # type: ignore[misc]
    """Trains on weighted tokens in batches that depend on the seed alone."""

    def __init__(self, applied: Applied, plan: Training) -> None:
        rows = Dataset.from_list([example.encoded for example in plan.ready.train.kept])
        own = SFTConfig(
            **settings(plan),
            activation_checkpointing=plan.params.gradient_checkpointing,
            dataset_kwargs={"skip_prepare_dataset": True},
            max_length=None,
        )
        self.begin(applied, plan, args=own, train_dataset=rows)
        self.head = HeadLoss(self.model, applied.prepended)
        if plan.params.packing:
            check_apart(self.model, self.head)
        self.shares_prefix = bool(plan.params.share_prefix)
        self.let_share(self.model, self.head)
        self.rows = rows.with_format("torch")
        validation = plan.ready.validation
        self.validation = _fixed_batches(validation.kept if validation else (), plan.params.micro_batch)

    def let_share(self, model: Any, head: HeadRows) -> None:
        """Let rows share what they begin with in a model that reads the batches, or in none where it cannot."""
        reason = allow(model, head, max(self.plan.batches.lengths)) if self.shares_prefix else None
        if reason is not None:
            forbid(self.model)
            self.shares_prefix = False
            self.otherwise = {**self.otherwise, "share_prefix": reason}

    def collate(self, rows: Sequence[dict[str, Any]], *, learning: bool) -> dict[str, Any]:
        """Token ids, and which of them are learned with which weight."""
        weight = self.plan.params.prompt_loss_weight if learning else 0.0
        put = collate_prefixed if self.shares_prefix else collate
        return put(rows, weight, self.plan.ready.tokenizer.pad_token_id)

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        """The weighted sum over tokens."""
        with autocast(self.plan.params.precision, self.plan.device):
            return self.head.loss(model, batch)

    def weight(self, batch: dict[str, Any]) -> torch.Tensor:
        """The sum of the tokens' weights."""
        weight: torch.Tensor = batch["weights"].sum()
        return weight


def _fixed_batches(examples: Sequence[Example], rows: int) -> list[list[dict[str, Any]]]:
    """Batches of like length, in an order that never changes."""
    ordered = [each.encoded for each in sorted(examples, key=lambda example: (-example.tokens, example.id))]
    return [ordered[start : start + rows] for start in range(0, len(ordered), rows)]
