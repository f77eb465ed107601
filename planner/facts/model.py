"""Facts about the base model that was chosen."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.documents import canonical_json
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
    from collections.abc import Mapping
    from typing import Any

    from planner.documents import Spec
    from planner.survey import ModelSurvey, Survey

# Tasks whose models answer with words; the others only read.
GENERATING = frozenset({"causal", "encoder-decoder", "image-text"})


@dataclass(frozen=True, eq=False)
class _Config:
    """A configuration compared by identity: the survey gives the same object for the same model."""

    held: Mapping[str, Any]

    def __hash__(self) -> int:
        return id(self.held)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Config) and other.held is self.held


@lru_cache(maxsize=512)
def _shape(config: _Config) -> Architecture | Unknown:
    return _architecture(canonical_json(dict(config.held)))


@lru_cache(maxsize=256)
def _architecture(config: str) -> Architecture | Unknown:
    try:
        return read_architecture(json.loads(config))
    except EstimateError as error:
        return Unknown(str(error))


def architecture_of(model: ModelSurvey) -> Architecture | Unknown:
    """The architecture of a surveyed model, from its configuration or else from its size alone.

    Of a model that a server answers for nothing is computed: it takes no memory here and no training.
    """
    if model.kind == "endpoint":
        return Unknown(f"{model.id} is served elsewhere")
    if model.config:
        return _shape(_Config(model.config))
    if model.params:
        return of_size(model.params)
    return Unknown(f"nothing is known of the shape of {model.id}")


def of_size(parameters: int) -> Architecture | Unknown:
    """A stand-in for a model of which only the size is known; unknown for sizes that no model has."""
    try:
        return architecture_of_size(parameters)
    except EstimateError as error:
        return Unknown(str(error))


def inference_bytes(model: ModelSurvey, dtype: str) -> float | Unknown:
    """Device memory that one request needs with weights of a dtype, at the high end of the estimate."""
    shape = architecture_of(model)
    return shape if isinstance(shape, Unknown) else _inference(shape, dtype)


@lru_cache(maxsize=4096)
def _inference(shape: Architecture, dtype: str) -> float | Unknown:
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


@fact(cite=("book:finetuning-tactics",))
def answers_end(survey: Survey, base_model: str) -> bool | Unknown:
    """Whether the base's files name a token at which generation stops, which training teaches to write."""
    known = survey.models[base_model].ends_answers
    return Unknown(f"the tokenizer of {base_model} is not at hand") if known is None else known


@fact(cite=("llama-factory-2509",))
def template_opens(survey: Survey, base_model: str) -> bool | Unknown:
    """Whether the base's chat template opens an answer's turn for serving as it does in training."""
    known = survey.models[base_model].opens_answers
    return Unknown(f"the chat template of {base_model} is not at hand") if known is None else known


@fact()
def model_files(survey: Survey, base_model: str) -> str:
    """What is at hand of the base model: `folder`, `gguf`, `hub-cache`, `catalog`, `declared` or `endpoint`."""
    return survey.models[base_model].kind


@fact()
def base_served(survey: Survey, base_model: str) -> bool:
    """Whether a server answers for the base model, so that its weights are not at hand."""
    return survey.models[base_model].kind == "endpoint"


def teachers_of(survey: Survey) -> list[ModelSurvey]:
    """The teachers that the spec names, the largest first: the order in which they are named decides nothing."""
    named = [model for model in survey.models.values() if model.role == "teacher"]
    return sorted(named, key=lambda model: (-(parameters_of(model) or 0), model.id))


@fact()
def teacher_given(spec: Spec) -> bool:
    """Whether the spec names a teacher to distil from."""
    return any(model.role == "teacher" for model in spec.models)


@fact()
def model_task(survey: Survey, base_model: str) -> str | Unknown:
    """What the base model's head does: `causal`, `masked`, `encoder`, `encoder-decoder` or `image-text`."""
    model = survey.models[base_model]
    if model.task or model.kind == "endpoint":
        return model.task or "causal"
    shape = architecture_of(model) if model.config else Unknown("there is no configuration")
    if isinstance(shape, Unknown) or not shape.known:
        return Unknown(f"what {base_model} was made for is not known")
    return "causal" if shape.decoder else "masked"


@fact()
def model_generates(model_task: str) -> bool:
    """Whether the base model answers with words; an encoder only reads."""
    return model_task in GENERATING


@fact(cite=("ben-zaken-2022-bitfit",))
def has_biases(survey: Survey, base_model: str) -> bool | Unknown:
    """Whether the base model's layers have biases, which BitFit trains."""
    shape = architecture_of(survey.models[base_model])
    if isinstance(shape, Unknown):
        return shape
    if not shape.known or shape.declared_parameters is not None:
        return Unknown(f"the layers of {base_model} are not known")
    return any(linear.bias for linear, _ in shape.matrices())


@fact()
def weights_format(survey: Survey, base_model: str) -> str:
    """The format that the base's weights are already quantized in, such as `gptq`; `none` for plain weights.

    A GGUF file is converted back to plain weights before it is trained, so it counts as `none`.
    """
    model = survey.models[base_model]
    if model.kind == "gguf":
        return "none"
    if model.quantization:
        return model.quantization
    return model.dtype if model.dtype in ("int8", "int4", "fp8", "mxfp4") else "none"


@fact(cite=("book:model-merging",))
def mixture_of_experts(survey: Survey, base_model: str) -> bool | Unknown:
    """Whether the base model routes tokens to experts."""
    shape = architecture_of(survey.models[base_model])
    return shape if isinstance(shape, Unknown) else shape.is_mixture


@fact(unit="layers", cite=("book:peft",))
def last_layers(survey: Survey, base_model: str) -> int | Unknown:
    """The last quarter of the base model's layers, which partial finetuning needs to come near full finetuning."""
    shape = architecture_of(survey.models[base_model])
    return shape if isinstance(shape, Unknown) else max(1, shape.layers // 4)


@fact(unit="rank", cite=("zhao-2024-galore",))
def galore_rank(hidden_size: int) -> int:
    """Rank of GaLore's projection: the power of two nearest below a quarter of the width."""
    return 1 << max(0, (hidden_size // 4).bit_length() - 1)


@fact(unit="times", cite=("book:finetuning-and-rag",))
def input_over_context(max_input_tokens: int, context_tokens: int) -> float:
    """Longest input that must be handled, as a multiple of the base model's context."""
    return max_input_tokens / context_tokens


@fact(cite=("book:finetuning-tactics",))
def student_given(spec: Spec) -> bool:
    """Whether the spec names a student, which is to learn from a teacher."""
    return any(model.role == "student" for model in spec.models)


@fact(cite=("book:numerical-representations",))
def trained_dtype(survey: Survey, base_model: str) -> str | Unknown:
    """Dtype that the base model was trained in, where it is known to differ from the released one."""
    from planner.catalog import find_model

    model = survey.models[base_model]
    if model.catalog_id is None:
        return Unknown(f"what {base_model} was trained in is not known")
    return find_model(model.catalog_id).trained_dtype or Unknown("no other dtype than the released one is known")
