"""Facts about the base model that was chosen."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.documents import canonical_json
from planner.facts.licences import model_forbids
from planner.facts.registry import Unknown, fact
from planner.memory import (
    Architecture,
    EstimateError,
    architecture_of_size,
    estimate_inference,
    inference_setting,
    read_architecture,
    total_parameters,
)

if TYPE_CHECKING:
    from planner.documents import Spec
    from planner.survey import ModelSurvey, Survey



@lru_cache(maxsize=256)
def _architecture(config: str) -> Architecture | Unknown:
    try:
        return read_architecture(json.loads(config))
    except EstimateError as error:
        return Unknown(str(error))


def architecture_of(model: ModelSurvey) -> Architecture | Unknown:
    """The architecture of a surveyed model, from its configuration or else from its size alone."""
    if model.config:
        return _architecture(canonical_json(dict(model.config)))
    if model.params:
        return architecture_of_size(model.params)
    return Unknown(f"nothing is known of the shape of {model.id}")


@fact(cite=("book:finetuning-tactics",))
def strongest_model(spec: Spec, survey: Survey) -> str:
    """The largest candidate that the licence allows and the device holds; the smallest when it holds none.

    A student is a candidate; a teacher or draft model only helps.
    """
    candidates = [model.id for model in spec.models if model.role in ("candidate", "student")]
    allowed = [name for name in candidates if not model_forbids(spec, survey.models[name])] or candidates
    sizes = {name: parameters_of(survey.models[name]) or 0 for name in allowed}
    held = [name for name in allowed if _held(survey.models[name], sizes[name], survey)]
    return max(held, key=sizes.__getitem__) if held else min(allowed, key=sizes.__getitem__)


def _held(model: ModelSurvey, parameters: int, survey: Survey) -> bool:
    """Whether a device can answer with the model: in 4 bits on an accelerator, in 16 bits on a CPU."""
    device = survey.hardware.device
    dtype, bytes_each = ("bf16", 2.0) if device.kind == "cpu" else ("nf4", 0.5)
    needed = inference_bytes(model, dtype)
    if isinstance(needed, Unknown):
        needed = parameters * bytes_each
    return not device.memory_bytes or needed <= device.memory_bytes


def inference_bytes(model: ModelSurvey, dtype: str) -> float | Unknown:
    """Device memory that one request needs with weights of a dtype, at the high end of the estimate."""
    shape = architecture_of(model)
    if isinstance(shape, Unknown):
        return shape
    try:
        return float(estimate_inference(shape, inference_setting(dtype=dtype)).device_bytes.high)
    except EstimateError as error:
        return Unknown(str(error))


def parameters_of(model: ModelSurvey) -> int | None:
    """Parameters of a surveyed model."""
    if model.params:
        return model.params
    shape = architecture_of(model)
    return None if isinstance(shape, Unknown) else total_parameters(shape)


@fact(unit="parameters")
def model_parameters(survey: Survey, base_model: str) -> int | Unknown:
    """Parameters of the base model."""
    return parameters_of(survey.models[base_model]) or Unknown(f"the size of {base_model} is not known")


@fact(unit="width")
def hidden_size(survey: Survey, base_model: str) -> int | Unknown:
    """Width of the base model's residual stream."""
    shape = architecture_of(survey.models[base_model])
    return shape if isinstance(shape, Unknown) else shape.hidden


@fact()
def model_family(survey: Survey, base_model: str) -> str | Unknown:
    """The base model's `model_type`, as transformers names it."""
    config = survey.models[base_model].config or {}
    return (
        str(config["model_type"]) if "model_type" in config else Unknown(f"{base_model} has no configuration at hand")
    )


@fact(unit="tokens")
def context_tokens(survey: Survey, base_model: str) -> int | Unknown:
    """Longest input that the base model was made for."""
    return survey.models[base_model].context_tokens or Unknown(f"the context of {base_model} is not known")


@fact(cite=("book:numerical-representations",))
def release_dtype(survey: Survey, base_model: str) -> str | Unknown:
    """Dtype that the base model's weights were released in."""
    return survey.models[base_model].dtype or Unknown(f"the dtype of {base_model} is not known")


@fact()
def model_files(survey: Survey, base_model: str) -> str:
    """What is at hand of the base model: `folder`, `gguf`, `hub-cache`, `catalog` or `declared`."""
    return survey.models[base_model].kind


@fact()
def teacher_given(spec: Spec) -> bool:
    """Whether the spec names a teacher to distil from."""
    return any(model.role == "teacher" for model in spec.models)
