"""The memory estimates that facts share: one computation for each architecture and setting in a process."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from planner.facts.model import architecture_of
from planner.facts.registry import Unknown
from planner.memory import (
    Architecture,
    EstimateError,
    TrainingEstimate,
    estimate_training,
    trainable_parameters,
    training_setting,
)

if TYPE_CHECKING:
    from planner.survey import ModelSurvey

# What the memory math calls a method that differs from another in time or quality, not in memory.
MEMORY_METHOD = {"relora": "lora", "qat": "full"}
# How a word of the decision `distribution` spreads a model.
SHARDING = {"single": "single", "ddp": "ddp", "fsdp": "fsdp", "zero-2": "zero-2", "zero-3": "zero-3"}
# Objectives whose steps are others than that of supervised training.
OWN_STEPS = ("preference", "distillation", "classification-head")
TWO_TARGETS = {"query": ("q_proj", "query", "c_attn", "query_key_value"), "value": ("v_proj", "value")}


def estimate(model: ModelSurvey, **fields: Any) -> TrainingEstimate | Unknown:
    """Peak memory of one device for a step of training as `adapt run` carries it out.

    Args:
        model: the surveyed base model.
        fields: fields of `TrainingSetting`.
    """
    shape = architecture_of(model)
    return shape if isinstance(shape, Unknown) else _estimate(shape, tuple(sorted(_named(shape, fields).items())))


def _named(shape: Architecture, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields in the words of the memory math: LongLoRA trains norms and embeddings whole beside LoRA."""
    method = fields.get("method", "full")
    if method != "longlora":
        return fields | {"method": MEMORY_METHOD.get(method, method)}
    norms = [*shape.norms, *(norm for block in shape.blocks for norm in block.norms)]
    paths = [*(norm.path for norm in norms), *(table.path for table in shape.embeddings)]
    return fields | {"method": "lora", "modules_to_save": tuple(sorted({path.rpartition(".")[2] for path in paths}))}


@lru_cache(maxsize=2048)
def _estimate(shape: Architecture, fields: tuple[tuple[str, Any], ...]) -> TrainingEstimate | Unknown:
    values = {"trainer": "adapt", **dict(fields)}
    # Rows that are padded on the right need no mask, but for a head that looks for the last token.
    masked = values.get("objective") == "classification-head" and values.get("batch", 1) > 1
    try:
        return estimate_training(shape, training_setting(**values, padding_mask=masked))
    except EstimateError as error:
        return Unknown(str(error))


def device_bytes(model: ModelSurvey, **fields: Any) -> float | Unknown:
    """High end of what one device must hold, in bytes."""
    found = estimate(model, **fields)
    return found if isinstance(found, Unknown) else float(found.device_bytes.high)


def trainable(model: ModelSurvey, **fields: Any) -> int | Unknown:
    """Values that train under a setting."""
    shape = architecture_of(model)
    return shape if isinstance(shape, Unknown) else _trainable(shape, tuple(sorted(fields.items())))


@lru_cache(maxsize=4096)
def _trainable(shape: Architecture, fields: tuple[tuple[str, Any], ...]) -> int | Unknown:
    try:
        return trainable_parameters(shape, training_setting(**dict(fields)))
    except EstimateError as error:
        return Unknown(str(error))


def arithmetic(precision: str, objective: str) -> dict[str, Any]:
    """The fields of a setting that follow from the number format and the objective."""
    fields: dict[str, Any] = {"precision": "fp32" if precision == "fp32" else "amp"}
    if objective in OWN_STEPS:
        fields["objective"] = objective
    return fields


def query_value_targets(model: ModelSurvey) -> tuple[str, ...]:
    """Names of the modules that make queries and values; empty when the model has none of the usual names."""
    shape = architecture_of(model)
    if isinstance(shape, Unknown):
        return ()
    names = {linear.name for linear, _ in shape.matrices()}
    return tuple(dict.fromkeys(name for words in TWO_TARGETS.values() for name in words if name in names))
