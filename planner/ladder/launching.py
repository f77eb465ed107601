"""One step of training: its parameters by method and objective, its devices, what to change when memory runs out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from planner.documents import Gate, Input, JsonValue, Retry, Step
from planner.facts.estimating import query_value_targets
from planner.ladder.prompting import SEED
from planner.ladder.training_numbers import check_pins

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

# Parameters of every training.
COMMON = (
    "learning_rate",
    "schedule",
    "warmup_ratio",
    "epochs",
    "micro_batch",
    "accumulation",
    "max_length",
    "packing",
    "length_grouped",
    "prompt_loss_weight",
    "gradient_checkpointing",
    "optimizer",
    "weight_decay",
    "beta1",
    "beta2",
    "max_grad_norm",
    "precision",
    "base_dtype",
    "attention",
    "liger_kernel",
    "compile",
    "distribution",
)
LOW_RANK = ("rank", "alpha", "rank_scaling", "dropout", "targets", "initialisation", "rate_ratio")
SOFT = ("virtual_tokens", "initialisation")
# Parameters that only some methods have.
BY_METHOD: dict[str, tuple[str, ...]] = {
    "lora": LOW_RANK,
    "dora": LOW_RANK,
    "relora": (*LOW_RANK, "restarts"),
    "longlora": LOW_RANK,
    "qlora": (*LOW_RANK, "base_quantization"),
    "galore": ("rank",),
    "partial": ("layers_trained", "modules_trained"),
    "adapter": ("bottleneck",),
    "prompt-tuning": SOFT,
    "prefix-tuning": SOFT,
    "p-tuning": SOFT,
}
# Methods whose result is a whole model, not something beside one.
WHOLE_MODEL = frozenset({"full", "partial", "bitfit", "galore", "relora", "router", "qat"})
# Parameters that only some objectives have.
BY_OBJECTIVE: dict[str, tuple[str, ...]] = {
    "sft": ("learn_turns", "share_prefix"),
    "distillation": ("learn_turns", "share_prefix", "distill_temperature", "hard_label_weight", "divergence"),
    "long-context": ("learn_turns", "share_prefix", "scaling"),
    "infilling": ("fim_rate", "spm_rate"),
    "preference": ("preference_loss", "preference_beta", "label_smoothing", "desirable_weight", "undesirable_weight"),
}
INTEGERS = frozenset({
    "rank", "micro_batch", "accumulation", "max_length", "virtual_tokens", "layers_trained", "bottleneck", "restarts",
})  # fmt: skip
FLOATS = frozenset({
    "alpha", "rate_ratio", "epochs", "beta1", "beta2", "max_grad_norm", "label_smoothing", "desirable_weight",
    "undesirable_weight", "distill_temperature", "hard_label_weight", "divergence",
})  # fmt: skip
# Decisions that a word answers for all modules, and a list of names for some.
NAMES = {"targets": "all-linear", "modules_trained": "all"}
# A crash of a library, or of one of several processes, says nothing of the training.
GO_ON = Retry(on="infrastructure", because="what crashed goes on from the newest checkpoint")
# Evaluations without a lower validation loss after which training ends.
PATIENCE = 2


class Training(NamedTuple):
    """What one training has of its own: everything else follows from the decisions."""

    name: str
    """Last part of the step's address, and what the title says."""
    objective: str
    inputs: dict[str, Input]
    gates: tuple[Gate, ...]
    changes: dict[str, JsonValue]
    """Parameters that differ from the decisions."""
    title: str = ""
    method: str = ""
    """Where it is not the one that was decided for all stages."""


def output_of(method: str) -> str:
    """What a training by a method leaves: a whole model, or an adapter beside the base."""
    return "model" if method in WHOLE_MODEL else "adapter"


def train(draft: Draft, wanted: Training) -> str:
    """Draw one training.

    Returns:
        The step's address.
    """
    method = wanted.method or str(draft.answer("method"))
    names = named(wanted.objective, method)
    validated = "validation" in wanted.inputs or bool(wanted.changes.get("held_out"))
    stops = validated and bool(draft.answer("early_stopping"))
    params: dict[str, JsonValue] = {name: _value(draft, name) for name in names}
    params |= {
        "objective": wanted.objective,
        "method": method,
        "early_stopping_patience": PATIENCE if stops else None,
        "evaluations_per_epoch": 1 if validated else 0,
        "checkpoint_s": float(draft.answer("checkpoint_s")),
        "seed": SEED,
    }
    if wanted.objective == "classification-head":
        params["labels"] = labels_told(draft)
    params |= _spread(draft) | wanted.changes
    if wanted.objective == "long-context":
        length, context = int(str(params["max_length"])), draft.fact("context_tokens")
        longer = context if params["scaling"] != "none" else None
        params["scaling_factor"] = float(max(1, math.ceil(length / longer))) if longer else 1.0
    check_pins(draft, params)
    reasons = ("objective", "method", *names, "early_stopping", "checkpoint_s", "framework")
    return draft.add(
        Step(
            address=f"train/{wanted.name}",
            title=wanted.title or f"Train by {method} ({wanted.name})",
            executor="train",
            version="4",
            inputs=wanted.inputs,
            params=params,
            outputs=(output_of(method),),
            gates=wanted.gates,
            retry=(GO_ON, *_out_of_memory(params)),
            checkpoint_s=float(draft.answer("checkpoint_s")),
            known_now={"method": method},
            known_after=("train_loss", "validation_loss", "peak memory"),
        ),
        because=(*reasons, "offload") if "offload" in params else reasons,
    )


def labels_told(draft: Draft) -> JsonValue:
    """What a head tells apart: the labels of the spec, or with `found` those of the training rows."""
    return draft.output_params()["labels"] or "found"


def named(objective: str, method: str) -> tuple[str, ...]:
    """The decisions that are parameters of a training, those that mean nothing to its method left out."""
    return (*COMMON, *BY_METHOD.get(method, ()), *BY_OBJECTIVE.get(objective, ()))


def _value(draft: Draft, name: str) -> JsonValue:
    answer: JsonValue = draft.answer(name)
    if name == "targets" and answer == "query-value":
        return list(query_value_targets(draft.survey.models[draft.answer("base_model")])) or "all-linear"
    if name in NAMES:
        return [answer] if isinstance(answer, str) and answer != NAMES[name] else answer
    if name in INTEGERS:
        return int(str(answer))
    return float(str(answer)) if name in FLOATS else answer


def _spread(draft: Draft) -> dict[str, JsonValue]:
    """How many devices take part and what waits on the host, where there is more than one device's own memory."""
    way, fields = draft.answer("distribution"), dict[str, JsonValue]()
    if way not in ("single", "offload"):
        fields |= {"devices": draft.fact("device_count"), "nodes": draft.fact("node_count")}
    if way in ("zero-2", "zero-3", "offload"):
        fields["offload"] = draft.answer("offload")
    return fields


def _out_of_memory(params: dict[str, JsonValue]) -> tuple[Retry, ...]:
    """Halve the micro-batch and double accumulation, so that the effective batch stays; recompute activations last."""
    batch, accumulation = int(str(params["micro_batch"])), int(str(params["accumulation"]))
    ladder = []
    while batch > 1 and batch % 2 == 0:
        batch, accumulation = batch // 2, accumulation * 2
        change: dict[str, JsonValue] = {"micro_batch": batch, "accumulation": accumulation}
        ladder.append(Retry(on="oom", set=change, because="half the rows at once, the same effective batch"))
    if not params["gradient_checkpointing"] and params["method"] != "prefix-tuning":
        # What is recomputed is not compiled.
        recompute: dict[str, JsonValue] = {"gradient_checkpointing": True, "compile": "off"}
        ladder.append(Retry(on="oom", set=recompute, because="activations are recomputed instead of kept"))
    return tuple(ladder)
