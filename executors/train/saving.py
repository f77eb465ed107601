"""What a trainer writes into a checkpoint and reads again: all that trains, the optimizer, every random state."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load_file, save_file
from transformers import Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from executors.train import checkpoints, sharding
from executors.train.optimizers import loading
from executors.train.sharding import take, whole
from planner.documents import RunError

if TYPE_CHECKING:
    from executors.train.training import Training

# All that trains, in a checkpoint: what peft would save lacks the encoder of p-tuning.
TRAINED = "trained.safetensors"


class SavingTrainer(Trainer):  # type: ignore[misc]
    """Writes what a resumed run needs to repeat the steps of an undisturbed one, and reads it."""

    plan: Training
    folded: frozenset[str] = frozenset()
    """Names of the frozen weights that change nevertheless."""

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ARG002
        folder, ranks = Path(self.args.output_dir), self.plan.ranks
        with checkpoints.writing(folder, self.state.global_step, ranks) as target:
            held = self.model.named_parameters()
            trained = {name: at for name, at in held if at.requires_grad or name in self.folded}
            gathered = {name: whole(at) for name, at in trained.items()}
            if ranks.count > 1 and not ranks.alike(sum(value.double().sum().item() for value in gathered.values())):
                message = f"The processes hold different weights after step {self.state.global_step}."
                raise RunError.one("TRAIN021", message, "Train on one device, and report this with the plan.")
            self._save_optimizer_and_scheduler(str(target))
            self._save_rng_state(str(target))
            if ranks.first:
                save_file(gathered, target / TRAINED)
                self._save_scaler(str(target))
                self.state.save_to_json(str(target / "trainer_state.json"))
                self.plan.watch.record.write(target)
        if ranks.first:
            checkpoints.rotate(folder, self.plan.watch.record.best)

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if not self.plan.ranks.sharded:
            super()._save_optimizer_and_scheduler(output_dir)
            return
        states = sharding.gathered(self.model, self.optimizer.optimizer)
        if self.plan.ranks.first:
            torch.save(states, Path(output_dir) / OPTIMIZER_NAME)
            torch.save(self.lr_scheduler.state_dict(), Path(output_dir) / SCHEDULER_NAME)

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ARG002
        load_trained(self.model, Path(resume_from_checkpoint))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        if checkpoint is not None and self.plan.ranks.sharded:
            states = torch.load(Path(checkpoint) / OPTIMIZER_NAME, map_location="cpu", weights_only=True)
            sharding.scattered(self.model, self.optimizer.optimizer, states)
            self.lr_scheduler.load_state_dict(torch.load(Path(checkpoint) / SCHEDULER_NAME, weights_only=True))
            return
        with loading(self.plan.params):
            super()._load_optimizer_and_scheduler(checkpoint)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(self._own(output_dir))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        super()._load_rng_state(None if checkpoint is None else self._own(checkpoint))

    def _own(self, folder: str) -> str:
        """Where this process of several has what is its own, whatever accelerate takes their number for."""
        ranks = self.plan.ranks
        return folder if ranks.count == 1 else str(Path(folder) / f"rank-{ranks.number}")


def load_trained(model: Any, checkpoint: Path) -> None:
    """Set what trains of a model to its values in a checkpoint."""
    held = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in load_file(checkpoint / TRAINED).items():
            take(held[name], value)
