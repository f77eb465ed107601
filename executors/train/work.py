"""One training, from the rows to the adapter; goes on from the newest checkpoint that is whole."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.bottleneck import decoder_layers
from executors.contract import Outcome
from executors.models import device_name
from executors.train import checkpoints, compiling, liger
from executors.train.artifact import write_result
from executors.train.batches import EpochBatches
from executors.train.belonging import output_of
from executors.train.curve import describe, remedy, usual_rate
from executors.train.deepspeed import forget_deepspeed
from executors.train.effective import effective, requested, require
from executors.train.methods import apply, eva
from executors.train.model_card import card
from executors.train.objectives import OBJECTIVES
from executors.train.precision import cannot_page, unsupported
from executors.train.ranks import join, leave
from executors.train.saving import load_trained
from executors.train.sharding import shard
from executors.train.spreading import BY_DEEPSPEED, SHARED
from executors.train.trackers import trackers
from executors.train.training import Training
from executors.train.watch import Record, Schedule, Watch
from executors.train.weights import check_weights
from planner.documents import InputError, Measurement, RunError

if TYPE_CHECKING:
    from executors.contract import Job
    from executors.train.keeping import KeptTrainer
    from executors.train.methods.applied import Applied
    from executors.train.params import TrainParams
    from executors.train.preflight import Ready
    from executors.train.ranks import Ranks

# The training loss that is reported is the mean over the last tenth of the steps.
LAST_SHARE = 10


def train(job: Job) -> Outcome:
    """Train as the parameters say and leave `out/adapter`, or `out/model` where the method trains the model itself.

    Raises:
        AdaptError: a check failed, or the loss is no longer finite.
    """
    params: TrainParams = job.params
    device = device_name()
    reason = (
        unsupported(params.precision, device)
        or cannot_page(params.optimizer, device)
        or liger.unsupported(params.liger_kernel, device)
    )
    if reason:
        raise InputError.one("TRAIN007", reason, "Plan again on this machine, or set what it cannot do otherwise.")
    ranks = join(params, device)
    try:
        outcome = _train(job, params, device, ranks)
        # Nobody takes the connections down that another still uses.
        ranks.wait()
        return outcome
    finally:
        leave()


def _train(job: Job, params: TrainParams, device: str, ranks: Ranks) -> Outcome:
    check_weights(Path(job.inputs["model"]), params)
    ready = OBJECTIVES[params.objective].prepare(job)
    batches = EpochBatches(
        [example.tokens for example in ready.train.kept],
        micro=params.micro_batch,
        accumulation=params.accumulation,
        seed=params.seed,
        grouped=params.length_grouped,
        rank=ranks.number,
        ranks=ranks.count,
    )
    newest = ranks.agreed(resumable(job.checkpoints) if ranks.first else None)
    schedule = _schedule(params, batches.steps, bool(ready.validation))
    record = Record.read(newest) if newest else Record()
    if ranks.first:
        checkpoints.clear(job.checkpoints, after=len(record.losses))
    ranks.wait()
    watch = Watch(record, schedule, job.report, ranks)
    followers = trackers(job.cache.parent / "tensorboard" / job.address.replace("/", "-"))
    plan = Training(params, ready, batches, watch, job.checkpoints, device, ranks, followers)
    trainer, applied, facts = _load(job, plan)
    if not watch.finished:
        trainer.train(resume_from_checkpoint=str(newest) if newest else None)
    chosen = checkpoints.at(job.checkpoints, record.best or len(record.losses))
    if not checkpoints.verified(chosen):
        message = "The checkpoint that the result was to come from is damaged."
        raise RunError.one("TRAIN016", message, "Run the same command: it is trained anew.", file=str(chosen))
    results = _results(record)
    if params.distribution not in BY_DEEPSPEED:
        load_trained(trainer.model, chosen)
        results |= trainer.results()
    if ranks.first:
        if params.distribution in SHARED:
            # The others have no more to do: what this process holds a part of is made once more, whole.
            forget_deepspeed()
            applied = replace(_made(job, plan, "cpu"), start=applied.start)
            load_trained(applied.model, chosen)
        out = job.out / output_of(params.method)
        write_result(trainer, applied, job.inputs["model"], out, card(job, ready.labels, _shown(ready, results)))  # type: ignore[arg-type]
    metrics = {name: Measurement(value=value) for name, value in results.items()}
    if watch.tokens_per_s:
        metrics["tokens_per_s"] = Measurement(value=watch.tokens_per_s)
    times_usual = params.learning_rate / usual_rate(params.method)
    return Outcome(
        metrics=metrics,
        notes={
            **facts,
            **ready.notes,
            **_counts(ready),
            "longest_row_tokens": max(batches.lengths),
            "steps": len(record.losses),
            "epochs": round(len(record.losses) / batches.steps, 3),
            "tokens": record.tokens,
            "resumed_from": watch.resumed_from,
            **({"compile": compiling.notes(job.checkpoints)} if params.compile == "trial" else {}),
            "chosen_step": record.best or len(record.losses),
            "curve": describe(record.losses, record.evaluations, batches.steps, times_usual),
        },
        tokens=record.tokens - watch.resumed_tokens,
        device_peak_bytes=_device_peak_bytes(),
    )


def resumable(folder: Path) -> Path | None:
    """The newest checkpoint that is whole, and so is the best one that it knows of."""
    for step in checkpoints.steps(folder):
        checkpoint = checkpoints.at(folder, step)
        if checkpoints.verified(checkpoint):
            best = Record.read(checkpoint).best
            if best in (None, step) or checkpoints.verified(checkpoints.at(folder, best)):
                return checkpoint
    return None


def _load(job: Job, plan: Training) -> tuple[KeptTrainer, Applied, dict[str, Any]]:
    """The trainer, its model as the method made it, and what that model is in effect."""
    params, tokenizer = plan.params, plan.ready.tokenizer
    template = tokenizer.chat_template
    applied = _made(job, plan, "cpu" if params.distribution in SHARED else plan.device)
    if plan.ranks.sharded:
        shard(applied.model, decoder_layers(applied.model), plan.ranks)
    trainer = OBJECTIVES[params.objective].trainer(applied, plan)
    found = effective(trainer.model, tokenizer)
    require(requested(params, applied.trainable, template, trainer.otherwise), found)
    return (
        trainer,
        applied,
        {name: value for name, value in found.items() if name != "template"}
        | {
            "device": plan.device,
            "precision": params.precision,
            "method": params.method,
            "processes": plan.ranks.count,
        }
        | ({"not_as_planned": dict(trainer.otherwise)} if trainer.otherwise else {}),
    )


def _made(job: Job, plan: Training, device: str) -> Applied:
    """The model on a device, as the method made it; the same each time."""
    from transformers import set_seed

    params = plan.params
    base: Path = job.inputs["model"]  # type: ignore[assignment]
    # What a head begins with and what a method adds is drawn at random.
    set_seed(params.seed)
    model = OBJECTIVES[params.objective].load(base, params, plan.ready, device)
    set_seed(params.seed)
    applied = apply(model, params)
    if params.initialisation == "eva":
        eva.begin(applied.model, params, plan.ready.train.kept, plan.ready.tokenizer.pad_token_id, device)
    if params.method != "galore":
        # In 16 bits most steps would be rounded away; galore was made for weights that cannot be held in more.
        for weight in applied.model.parameters():
            if weight.requires_grad:
                weight.data = weight.data.float()
    return applied


def _schedule(params: TrainParams, steps_per_epoch: int, validate: bool) -> Schedule:  # noqa: FBT001
    total = math.ceil(params.epochs * steps_per_epoch)
    evaluate_at: frozenset[int] = frozenset()
    if validate and params.evaluations_per_epoch:
        count = max(1, round(params.epochs * params.evaluations_per_epoch))
        evaluate_at = frozenset(math.ceil(total * number / count) for number in range(1, count + 1))
    cure = remedy(params.learning_rate, params.method, params.precision)
    return Schedule(total, evaluate_at, params.early_stopping_patience, params.checkpoint_s, cure)


def _results(record: Record) -> dict[str, float]:
    recent = record.losses[-max(1, len(record.losses) // LAST_SHARE) :]
    results = {"train_loss": sum(recent) / len(recent)}
    if record.evaluations:
        results["validation_loss"] = min(loss for _, loss in record.evaluations)
    return results


def _counts(ready: Ready) -> dict[str, Any]:
    counts: dict[str, Any] = {}
    for name, examples in (("", ready.train), ("validation_", ready.validation)):
        if examples is not None:
            counts[f"{name}rows"] = sum(len(each.segments) or 1 for each in examples.kept)
            if any(each.segments for each in examples.kept):
                counts[f"{name}sequences"] = len(examples.kept)
            counts[f"{name}dropped_too_long"] = len(examples.too_long)
    return counts


def _shown(ready: Ready, results: dict[str, float]) -> dict[str, str]:
    counts = {name: str(value) for name, value in _counts(ready).items()}
    return counts | {name: f"{value:.4f}" for name, value in results.items()}


def _device_peak_bytes() -> int | None:
    import torch

    return torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
