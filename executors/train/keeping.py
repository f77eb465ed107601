"""What every trainer of this package shares: batches, steps, evaluation and checkpoints that a resumed run repeats."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.data_loader import prepare_data_loader
from peft.helpers import disable_input_dtype_casting
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer
from transformers.trainer import OPTIMIZER_NAME, SCHEDULER_NAME

from executors.train import checkpoints, deepspeed, liger, sharding
from executors.train.optimizers import NAMES, loading, own_optimizer
from executors.train.ranks import Ranks
from executors.train.restarts import Restarts, folded_weights, steps_between, with_warmups
from executors.train.sharding import take, whole
from planner.documents import RunError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from executors.train.batches import EpochBatches
    from executors.train.methods.applied import Applied
    from executors.train.params import TrainParams
    from executors.train.preflight import Ready
    from executors.train.watch import Watch
    from planner.documents import JsonValue

# Methods whose layers peft makes cast their inputs.
CASTING = frozenset({"lora", "dora", "qlora"})
# Marks a batch that counts for nothing.
IDLE = "idle"
# All that trains, in a checkpoint: what peft would save lacks the encoder of p-tuning.
TRAINED = "trained.safetensors"
SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


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


class KeptTrainer(Trainer):  # type: ignore[misc]
    """Stands before a trainer of trl or transformers in the order of its bases.

    An objective says what a batch is (`rows`, `collate`), what it weighs (`weight`) and what it costs (`loss`); the
    rest is alike. What the parents do at every step for their logs (entropy, accuracy, flops, model cards) is left
    out: it costs as much as the training of a small model.
    """

    loss_is_scaled_for_ga = True
    otherwise: Mapping[str, JsonValue] = {}
    """Parameters that the model does not allow as planned, each with the reason in one sentence."""
    plan: Training
    rows: Any
    """What the batches of the plan number: a row is a dictionary."""
    validation: Sequence[Sequence[dict[str, Any]]]
    """Batches of rows, in an order that never changes."""

    def collate(self, rows: Sequence[dict[str, Any]], *, learning: bool) -> dict[str, Any]:
        """A batch of rows, of tensors and with `tokens`, how many of them are no padding.

        Args:
            rows: of `rows` or `validation`.
            learning: whether it is trained on; else it is evaluated, where only answers count.
        """
        raise NotImplementedError

    def loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        """The loss of a batch, summed over all that `weight` counts."""
        raise NotImplementedError

    def weight(self, batch: dict[str, Any]) -> torch.Tensor:
        """What the summed loss of a batch is divided by to be a mean: tokens by their weights, or rows."""
        raise NotImplementedError

    def results(self) -> dict[str, float]:
        """What an objective measures beside the loss, on the validation rows and the chosen weights."""
        return {}

    def begin(self, applied: Applied, plan: Training, **parent: Any) -> None:
        """Call the parent's `__init__` so that what trains stays as it is.

        Args:
            applied: what the method made of the model.
            plan: of the training.
            parent: further arguments of the parent.
        """
        self.plan = plan
        trained = [weight for weight in applied.model.parameters() if weight.requires_grad]
        # The parent rounds what trains on a quantized base to bf16, in which small steps are lost.
        for weight in trained:
            weight.requires_grad = False
        super().__init__(model=applied.model, processing_class=plan.ready.tokenizer, callbacks=[plan.watch], **parent)
        for weight in trained:
            weight.requires_grad = True
        self.remove_callback(PrinterCallback)
        if plan.params.liger_kernel == "when-installed" and (reason := liger.use(self.model)):
            self.otherwise = {**self.otherwise, "liger_kernel": reason}
        params, total = plan.params, plan.watch.schedule.total
        self.restarted_every = steps_between(total, params.restarts) if params.restarts else None
        self.folded = folded_weights(applied.model) if params.restarts else frozenset[str]()
        if self.restarted_every:
            self.add_callback(Restarts(self.restarted_every, total, params.seed))

    def train(self, *args: Any, **kwargs: Any) -> Any:
        """As the parent trains."""
        self.model.train()
        if self.plan.ranks.count > 1:
            # What the method drew was the same everywhere; what dropout draws is not.
            torch.manual_seed(self.plan.params.seed + self.plan.ranks.number)
        # Autocast casts as it needs; peft would widen every input to fp32 first, for nothing.
        casts = self.plan.params.precision != "fp32" and self.plan.params.method in CASTING
        with disable_input_dtype_casting(self.model, active=casts):
            return super().train(*args, **kwargs)

    def create_optimizer(self, model: Any = None) -> Any:
        """The optimizer of the method where it has its own."""
        if self.optimizer is None:
            model = self.model if model is None else model
            self.optimizer: Any = own_optimizer(model, self.plan.params, self.get_decay_parameter_names(model))
        return super().create_optimizer()

    def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """As planned; with restarts the rate rises anew after each."""
        found = super().create_scheduler(num_training_steps, optimizer)
        if self.restarted_every:
            every, ratio = self.restarted_every, self.plan.params.warmup_ratio
            found.lr_lambdas = [with_warmups(rate, every, ratio) for rate in found.lr_lambdas]
        return found

    def get_train_dataloader(self) -> Any:
        """The batches of the plan, padded to the longest row of each."""
        loader = DataLoader(
            self.rows,
            batch_sampler=self.plan.batches,
            collate_fn=partial(self._collated, learning=True),
            # Otherwise the loader draws from the random numbers that dropout uses.
            generator=torch.Generator().manual_seed(self.plan.params.seed),
        )
        # The batches are shared out already.
        return prepare_data_loader(loader, self.args.device, num_processes=1, process_index=0, put_on_device=True)

    def _collated(self, rows: Sequence[dict[str, Any]], *, learning: bool) -> dict[str, Any]:
        """A batch; where there is no row for this process, one that counts for nothing, as all must compute."""
        batch = self.collate(rows or [self.rows[0] if learning else self.validation[0][0]], learning=learning)
        return batch if rows else batch | {IDLE: True}

    def _loss(self, model: Any, batch: dict[str, Any]) -> torch.Tensor:
        loss = self.loss(model, batch)
        return loss * 0.0 if IDLE in batch else loss

    def _weight(self, batch: dict[str, Any]) -> torch.Tensor:
        weight = self.weight(batch)
        return weight * 0.0 if IDLE in batch else weight

    def training_step(self, model: Any, inputs: Any, num_items_in_batch: Any = None) -> torch.Tensor:
        """Forward and backward; the parent would walk through all modules at each step to set them to training."""
        loss = self.compute_loss(model, self._prepare_inputs(inputs), num_items_in_batch)
        # The loss is divided by all that the effective batch holds already.
        self.accelerator.backward(loss, **({"scale_wrt_gas": False} if self.is_deepspeed_enabled else {}))
        return loss.detach()

    def compute_loss(self, model: Any, inputs: Any, num_items_in_batch: Any, **_: Any) -> torch.Tensor:
        """The weighted mean over the tokens of the whole effective batch."""
        tokens = 0 if IDLE in inputs else inputs["tokens"]
        loss = self._loss(model, inputs) / num_items_in_batch
        self.plan.watch.add(loss.detach(), tokens)
        # Gradients are averaged over processes, and each has a part of the mean.
        return loss * self.plan.ranks.count

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def evaluate(self, *_: Any, **__: Any) -> dict[str, float]:
        """The mean loss of the validation rows."""
        # DeepSpeed gathers weights in what it wraps.
        model = self.model_wrapped if self.is_deepspeed_enabled else self.model
        model.eval()
        total, weight = torch.zeros((), device=self.args.device), torch.zeros((), device=self.args.device)
        ranks = self.plan.ranks
        for batch in self.held_out():
            weight += self._weight(batch)
            total += self._loss(model, batch)
        if ranks.sharded:
            self.model.reshard()  # what stands outside of blocks stays gathered after a forward pass
        model.train()
        metrics = {"eval_loss": float(ranks.sum(total) / ranks.sum(weight))}
        if self.plan.trackers:
            self.log(metrics)
        self.control: Any = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def held_out(self) -> Iterator[dict[str, Any]]:
        """The validation batches of this process, as many as the others have."""
        ranks = self.plan.ranks
        for start in range(0, len(self.validation), ranks.count):
            mine = self.validation[start : start + ranks.count][ranks.number :]
            yield self._prepare_inputs(self._collated(mine[0] if mine else (), learning=False))

    def floating_point_ops(self, _: Any) -> int:
        """Nothing: the parent walks through all parameters to count them."""
        return 0

    def _get_num_items_in_batch(self, batch_samples: list[Any], device: Any) -> torch.Tensor:
        weight: torch.Tensor = torch.stack([self._weight(batch) for batch in batch_samples]).sum()
        return self.plan.ranks.sum(weight.to(device))

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

    def _move_model_to_device(self, model: Any, device: torch.device) -> None:
        if not self.plan.ranks.sharded:  # each part was put where it belongs
            super()._move_model_to_device(model, device)

    def _save_rng_state(self, output_dir: str) -> None:
        super()._save_rng_state(self._own(output_dir))

    def _load_rng_state(self, checkpoint: str | None) -> None:
        super()._load_rng_state(None if checkpoint is None else self._own(checkpoint))

    def _own(self, folder: str) -> str:
        """Where this process of several has what is its own, whatever accelerate takes their number for."""
        ranks = self.plan.ranks
        return folder if ranks.count == 1 else str(Path(folder) / f"rank-{ranks.number}")

    def _send_telemetry(self) -> None:
        """Nothing: what is trained here is nobody else's business."""


def load_trained(model: Any, checkpoint: Path) -> None:
    """Set what trains of a model to its values in a checkpoint."""
    held = dict(model.named_parameters())
    with torch.no_grad():
        for name, value in load_file(checkpoint / TRAINED).items():
            take(held[name], value)


def settings(plan: Training) -> dict[str, Any]:
    """Arguments of every trainer's configuration: rates, batches and precision as planned, no logs, no telemetry."""
    params = plan.params
    return {
        "output_dir": str(plan.folder),
        "max_steps": plan.watch.schedule.total,
        "per_device_train_batch_size": params.micro_batch,
        "gradient_accumulation_steps": params.accumulation,
        "learning_rate": params.learning_rate,
        "lr_scheduler_type": SCHEDULES[params.schedule],
        "warmup_steps": round(params.warmup_ratio * plan.watch.schedule.total),
        "optim": NAMES[params.optimizer],
        "weight_decay": params.weight_decay,
        "adam_beta1": params.beta1,
        "adam_beta2": params.beta2,
        "max_grad_norm": params.max_grad_norm,
        "seed": params.seed,
        **deepspeed.settings(params, plan.device, plan.folder),
        # bf16 is entered in the loss: by this switch the logits would be converted to fp32 again.
        "bf16": False,
        "fp16": params.precision == "fp16",
        "remove_unused_columns": False,
        "dataloader_pin_memory": False,
        # What trains takes part in every forward pass.
        "ddp_find_unused_parameters": False,
        "eval_strategy": "no",
        "save_strategy": "no",
        "logging_strategy": "no",
        "logging_nan_inf_filter": False,
        "disable_tqdm": True,
        "report_to": list(plan.trackers) or "none",
    }
