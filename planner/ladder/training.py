"""Steps of the training rung: diagnosis, training, measurement, merge, and the proof that the merge changed nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Gate, Input, JsonValue, Retry, Step
from planner.ladder.pins import data_pin
from planner.ladder.prompting import SEED, add_prompt, base_model, evaluate

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

MAX_GRAD_NORM = 1.0
BETA1, BETA2 = 0.9, 0.999
HYPERPARAMETERS = (
    "rank",
    "alpha",
    "dropout",
    "targets",
    "learning_rate",
    "schedule",
    "warmup_ratio",
    "epochs",
    "micro_batch",
    "accumulation",
    "max_length",
    "prompt_loss_weight",
    "gradient_checkpointing",
    "optimizer",
    "weight_decay",
    "precision",
    "base_dtype",
    "attention",
)
WHOLE = ("rank", "micro_batch", "accumulation", "max_length")
# What each objective trains on, in the order in which it is done.
STAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "continued-pretraining+sft": (("continued-pretraining", "documents"), ("sft", "train")),
    "continued-pretraining": (("continued-pretraining", "documents"),),
    "preference": (("preference", "preferences"),),
}


def diagnose(draft: Draft) -> None:
    """Why the cheaper rungs failed, case by case."""
    source = draft.measured[-1]
    draft.add(
        Step(
            address="diagnose/prompting",
            title="Find out why the answers fail, case by case",
            executor="diagnose",
            version="1",
            inputs={"predictions": Input(step=source, output="predictions"), "data": data_pin(draft, "evaluation")},
            params={**draft.output_params(), "kind": draft.spec.task.kind, "seed": SEED},
            outputs=("report",),
            gates=draft.gates(),
            known_after=("behaviour_share", "information_share"),
        ),
        because=("approach",),
    )


def training(draft: Draft, base: Input | None = None) -> None:
    """Train, measure, and merge when one variant is served; `base` is a model that an earlier step made."""
    gates = draft.gates()
    if "diagnose/prompting" in draft.steps:
        limit = draft.thresholds["gate_behaviour_share"]
        because = "training repairs behaviour, not missing facts"
        gates += (_diagnosed(f">= {limit:g}", because),)
    add_prompt(draft, "short", examples=0, show_form=False, gates=gates)
    base = base or base_model(draft)
    inputs = {"model": base, "prompt": Input(step="prompt/short", output="prompt")}
    index = next((address for address in draft.steps if address.startswith("retrieve/")), None)
    if index and draft.answer("approach") == "rag+finetune":
        # The reader learns from the prompts that it will be given: with passages in them.
        inputs["index"] = Input(step=index, output="index")
    previous: str | None = None
    objective = str(draft.answer("objective"))
    for stage, role in STAGES.get(objective, ((objective, "train"),)):
        previous = _train(draft, stage, role, previous, inputs, gates)
    adapter = Input(step=previous, output="adapter")
    tuned = str(previous).partition("/")[2]
    measured = evaluate(
        draft,
        tuned,
        "Measure the finetuned model",
        rung=f"finetune ({draft.answer('method')})",
        inputs={**inputs, "adapter": adapter},
        because=("method",),
        gates=(),
    )
    if draft.answer("serving") == "merged":
        _merge(draft, tuned, base, adapter, measured)


def _diagnosed(test: str, because: str) -> Gate:
    return Gate(
        name="failures are of behaviour",
        when="before",
        metric="behaviour_share",
        steps=("diagnose/prompting",),
        test=test,
        because=because,
    )


def _train(
    draft: Draft, stage: str, role: str, previous: str | None, inputs: dict[str, Input], gates: tuple[Gate, ...]
) -> str:
    sources = {**inputs, "train": Input(pin=f"data/{role}")}
    validated = bool(draft.fact("validation_rows")) and role == "train"
    if validated:
        sources["validation"] = Input(pin="data/validation")
    if previous:
        sources["adapter"] = Input(step=previous, output="adapter")
    params: dict[str, JsonValue] = {name: draft.answer(name) for name in HYPERPARAMETERS}
    params |= {name: int(draft.answer(name)) for name in WHOLE}
    params |= {
        "objective": stage,
        "method": draft.answer("method"),
        "epochs": float(draft.answer("epochs")),
        "alpha": float(draft.answer("alpha")),
        "beta1": BETA1,
        "beta2": BETA2,
        "max_grad_norm": MAX_GRAD_NORM,
        "length_grouped": True,
        "early_stopping_patience": 2 if validated else None,
        "evaluations_per_epoch": 1 if validated else 0,
        "checkpoint_s": float(draft.answer("checkpoint_s")),
        "seed": SEED,
    }
    return draft.add(
        Step(
            address=f"train/{stage}",
            title=f"Train by {draft.answer('method')} ({stage})",
            executor="train",
            version="1",
            inputs=sources,
            params=params,
            outputs=("adapter",),
            gates=gates,
            retry=_out_of_memory(params),
            checkpoint_s=float(draft.answer("checkpoint_s")),
            known_now={"method": draft.answer("method")},
            known_after=("train_loss", "validation_loss", "peak memory"),
        ),
        because=("objective", "method", *HYPERPARAMETERS, "checkpoint_s"),
    )


def _out_of_memory(params: dict[str, JsonValue]) -> tuple[Retry, ...]:
    """Halve the micro-batch and double accumulation, so that the effective batch stays; recompute activations last."""
    batch, accumulation = int(str(params["micro_batch"])), int(str(params["accumulation"]))
    ladder = []
    while batch > 1 and batch % 2 == 0:
        batch, accumulation = batch // 2, accumulation * 2
        change: dict[str, JsonValue] = {"micro_batch": batch, "accumulation": accumulation}
        ladder.append(Retry(on="oom", set=change, because="half the rows at once, the same effective batch"))
    if not params["gradient_checkpointing"]:
        recompute: dict[str, JsonValue] = {"gradient_checkpointing": True}
        ladder.append(Retry(on="oom", set=recompute, because="activations are recomputed instead of kept"))
    return tuple(ladder)


def _merge(draft: Draft, tuned: str, base: Input, adapter: Input, measured: str) -> None:
    limit = draft.thresholds["least_token_agreement"]
    draft.add(
        Step(
            address=f"merge/{tuned}",
            title="Merge the adapter into the base",
            executor="merge",
            version="1",
            inputs={"model": base, "adapter": adapter},
            params={"dtype": draft.answer("base_dtype")},
            outputs=("model",),
        ),
        because=("serving",),
    )
    evaluate(
        draft,
        "merged",
        "Check that the merged model answers as the adapter did",
        rung="merged",
        inputs={
            "model": Input(step=f"merge/{tuned}", output="model"),
            "prompt": Input(step="prompt/short", output="prompt"),
            "reference": Input(step=measured, output="predictions"),
        },
        because=("serving",),
        gates=(
            Gate(
                name="the merged model answers as the adapter did",
                when="after",
                metric="token_agreement",
                steps=("evaluate/merged",),
                test=f">= {limit:g}",
                otherwise="stop",
                because="a merge that changes answers is another model than the one that was measured",
            ),
        ),
    )
