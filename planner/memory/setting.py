"""What is to be run: the settings that memory depends on, each documented once, here."""

from __future__ import annotations

from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner.memory.errors import EstimateError, near_names

Method = Literal[
    "full", "partial", "lora", "qlora", "lora-8bit", "dora", "adapter", "bitfit", "ia3", "prompt-tuning",
    "prefix-tuning", "p-tuning", "linear-probe", "galore", "router",
]  # fmt: skip
Precision = Literal["bf16", "amp", "fp32"]
Optimizer = Literal[
    "adamw", "adamw-foreach", "adamw-8bit", "paged-adamw", "paged-adamw-8bit", "adafactor", "momentum", "sgd", "muon",
    "lion", "lion-8bit",
]  # fmt: skip
Attention = Literal["sdpa", "eager", "flash"]
Sharding = Literal["single", "ddp", "zero-1", "zero-2", "zero-3", "fsdp", "tensor-parallel"]


_Model = TypeVar("_Model", bound=BaseModel)


class TrainingSetting(BaseModel):
    """One training configuration on each device. Sizes are tokens and sequences; see each field."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = Field("lora", description="what is trained")
    rank: int = Field(16, ge=1, le=65536, description="rank of LoRA-like adapters")
    targets: tuple[str, ...] | Literal["all-linear"] = Field("all-linear", description="modules that get an adapter")
    modules_to_save: tuple[str, ...] = Field((), description="modules trained in full beside the adapter")
    layers_trained: int = Field(1, ge=0, le=16384, description="last layers trained by partial finetuning")
    bottleneck: int = Field(64, ge=1, le=65536, description="width of Houlsby adapters")
    labels: int = Field(2, ge=1, le=2**20, description="classes of a linear probe or of a head")
    virtual_tokens: int = Field(20, ge=1, le=65536, description="length of a soft prompt or prefix, in tokens")
    precision: Precision = Field("amp", description="bf16: all in bf16; amp: bf16 autocast; fp32: no half precision")
    base_dtype: Literal["bf16", "fp32"] | None = Field(
        None, description="dtype of the loaded weights; by default fp32 for full training under amp, else bf16"
    )
    adapter_dtype: Literal["fp32", "bf16"] = Field(
        "fp32", description="dtype of adapter weights; peft's default is fp32"
    )
    double_quantization: bool = Field(default=True, description="qlora: quantize the scales of the 4-bit base too")
    kbit_preparation: bool = Field(
        default=False, description="qlora: prepare_model_for_kbit_training, which makes norms fp32"
    )
    batch: int = Field(1, ge=1, le=2**20, description="sequences a micro-batch on one device")
    sequence: int = Field(1024, ge=1, le=2**26, description="tokens a sequence")
    shared: int = Field(0, ge=0, description="tokens that all sequences of a micro-batch begin with, computed once")
    accumulation: int = Field(1, ge=1, le=2**20, description="micro-batches a step")
    optimizer: Optimizer = Field("adamw", description="adamw is the fused kernel, the trainer's default")
    checkpointing: bool = Field(default=True, description="recompute activations in the backward pass")
    attention: Attention = Field("sdpa", description="attention implementation of transformers")
    loss: Literal["full", "fused"] = Field("full", description="fused or chunked cross entropy never holds all logits")
    padding_mask: bool = Field(
        default=False, description="an attention mask with padding is given, so sdpa gets a 4D mask"
    )
    outputs_kept: bool = Field(default=False, description="the model's outputs stay alive during backward")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout of the adapters")
    objective: Literal["sft", "preference", "distillation", "classification-head"] = Field(
        "sft", description="what the step computes"
    )
    trainer: Literal["trl", "adapt"] = Field(
        "trl", description="whose step it is: trl's, or the leaner one that `adapt run` carries out"
    )
    answer: int | None = Field(
        None, ge=1, le=2**26, description="trainer adapt: tokens of a sequence that are learned; by default all"
    )
    teacher_parameters: int = Field(0, ge=0, le=10**14, description="distillation: size of the teacher, in bf16")
    processor: bool = Field(
        default=False, description="it runs on a processor: the whole process counts, and the heap keeps holes"
    )
    sharding: Sharding = Field("single", description="how a model is spread over devices")
    devices: int = Field(1, ge=1, le=2**20, description="devices that share the work")
    offload: Literal["none", "optimizer", "parameters"] = Field("none", description="what moves to host memory")


class InferenceSetting(BaseModel):
    """One batch of generation or evaluation on one device."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dtype: Literal["fp32", "bf16", "fp16", "fp8", "int8", "nf4", "int4"] = Field("bf16", description="stored weights")
    cache_dtype: Literal["fp32", "bf16", "fp8", "int8", "int4"] = Field("bf16", description="key-value cache")
    batch: int = Field(1, ge=1, le=2**20, description="sequences at once")
    prompt: int = Field(1024, ge=1, le=2**26, description="tokens a prompt")
    generated: int = Field(256, ge=0, le=2**26, description="tokens generated a sequence; 0 scores the prompt only")
    logits_kept: Literal["last", "all"] = Field("last", description="positions whose logits are computed in prefill")
    attention: Attention = Field("sdpa", description="attention implementation")
    adapters: int = Field(0, ge=0, le=2**20, description="LoRA adapters held beside one base")
    rank: int = Field(16, ge=1, le=65536, description="rank of those adapters")
    targets: tuple[str, ...] | Literal["all-linear"] = Field("all-linear", description="modules those adapters change")
    latent_cache: bool = Field(
        default=False, description="the engine caches the latent of MLA models (vLLM, SGLang do)"
    )


def training_setting(**fields: Any) -> TrainingSetting:
    """Build a setting, turning the first problem into one sentence.

    Raises:
        EstimateError: for an unknown field or word, or a number out of range.
    """
    return _checked(TrainingSetting, fields)


def inference_setting(**fields: Any) -> InferenceSetting:
    """Build a setting, turning the first problem into one sentence.

    Raises:
        EstimateError: for an unknown field or word, or a number out of range.
    """
    return _checked(InferenceSetting, fields)


def _checked(model: type[_Model], fields: dict[str, Any]) -> _Model:
    try:
        return model(**fields)
    except ValidationError as error:
        problem = error.errors()[0]
        name = str(problem["loc"][0]) if problem["loc"] else "setting"
        value = problem.get("input")
        if problem["type"] == "extra_forbidden":
            names = tuple(model.model_fields)
            raise EstimateError(
                f"{name} is not a setting.", field=name, value=value, allowed="", near=near_names(name, names)
            ) from error
        expected = str(problem.get("ctx", {}).get("expected", "")).replace("'", "")
        words = tuple(word.strip() for part in expected.split(",") for word in part.split(" or "))
        raise EstimateError(
            f"{name} {value!r}: {problem['msg'][0].lower()}{problem['msg'][1:]}.",
            field=name,
            value=value,
            near=near_names(str(value), words) if expected else (),
        ) from error
