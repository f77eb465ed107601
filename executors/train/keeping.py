"""What every trainer of this package shares: batches, steps, evaluation and checkpoints that a resumed run repeats."""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from accelerate.data_loader import prepare_data_loader
from peft.helpers import disable_input_dtype_casting
from torch.utils.data import DataLoader
from transformers import PrinterCallback

from executors.train import compiling, deepspeed, liger
from executors.train.optimizers import NAMES, own_optimizer
from executors.train.restarts import Restarts, folded_weights, steps_between, with_warmups
from executors.train.saving import SavingTrainer

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from executors.train.methods.applied import Applied
    from executors.train.training import Training
    from planner.documents import JsonValue

# Methods whose layers peft makes cast their inputs.
CASTING = frozenset({"lora", "dora", "qlora"})
# Marks a batch that counts for nothing.
IDLE = "idle"
SCHEDULES = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}


class KeptTrainer(SavingTrainer):
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
        self.layers = compiling.Layers(applied.model)
        # Before the watch, which starts the clock.
        trial = [compiling.Trial(self.layers, self._passes, plan)] if plan.params.compile == "trial" else []
        callbacks = [*trial, plan.watch]
        super().__init__(model=applied.model, processing_class=plan.ready.tokenizer, callbacks=callbacks, **parent)
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
        compiles = compiling.settings() if self.plan.params.compile == "trial" else nullcontext()
        with disable_input_dtype_casting(self.model, active=casts), compiles:
            return super().train(*args, **kwargs)

    def _passes(self) -> compiling.Passes:
        """Forward and backward passes on the longest batch, and on some from short ones to long ones."""
        first, *others = self.plan.batches
        lengths = self.plan.batches.lengths
        ordered = sorted(others or [first], key=lambda rows: len(rows) * max(lengths[row] for row in rows))
        places = [(2 * at + 1) * len(ordered) // (2 * compiling.PROBES) for at in range(compiling.PROBES)]
        chosen = ([self.rows[row] for row in rows] for rows in (first, *(ordered[place] for place in places)))
        batches = [self._prepare_inputs(self._collated(rows, learning=True)) for rows in chosen]
        return compiling.Passes(
            self.model, lambda batch: self._loss(self.model, batch) / self._weight(batch), batches, self.plan.device
        )

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
        with self.layers.as_they_are():
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

    def _move_model_to_device(self, model: Any, device: torch.device) -> None:
        if not self.plan.ranks.sharded:  # each part was put where it belongs
            super()._move_model_to_device(model, device)

    def _send_telemetry(self) -> None:
        """Nothing: what is trained here is nobody else's business."""


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
