"""Facts about the model that a configuration names."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from planner.facts import Unknown, fact
from planner.facts.licences import NON_COMMERCIAL
from planner.facts.model import architecture_of
from planner.memory import KNOWN_TYPES

if TYPE_CHECKING:
    from planner.memory import Architecture
    from planner.review.configuration import Configuration
    from planner.review.options import Options

#: Families by the words in a model's name; the more exact word stands first.
FAMILIES = (
    ("llama-2", r"llama[-_ ]?2(?!\d)"), ("llama-3", r"llama[-_ ]?3"), ("llama-4", r"llama[-_ ]?4"),
    ("codellama", r"code[-_ ]?llama"), ("tinyllama", r"tiny[-_ ]?llama"),
    ("qwen", r"qwen|qwq"), ("gemma", r"gemma"), ("mistral", r"mistral|mixtral|ministral|magistral|devstral"),
    ("phi", r"(?<![a-z])phi[-_ ]?\d"), ("deepseek", r"deepseek"), ("glm", r"(?<![a-z])(?:chat)?glm"),
    ("yi", r"(?<![a-z])yi[-_]"), ("falcon", r"falcon"), ("smollm", r"smollm"), ("granite", r"granite"),
    ("command-r", r"command[-_ ]?r|c4ai"), ("olmo", r"olmo"), ("stablelm", r"stablelm"), ("pythia", r"pythia"),
    ("gpt-2", r"gpt-?2"), ("gpt-oss", r"gpt-?oss"), ("baichuan", r"baichuan"), ("internlm", r"internlm"),
    ("vicuna", r"vicuna"), ("kimi", r"kimi|moonlight"),
)  # fmt: skip
_FAMILY = tuple((name, re.compile(pattern, re.IGNORECASE)) for name, pattern in FAMILIES)
_SIZE = re.compile(r"(?<![a-z0-9.])(\d+(?:\.\d+)?)[bB](?![a-z])", re.IGNORECASE)
_QUANTIZED = re.compile(
    r"gptq|awq|aqlm|bnb[-_]?(?:4|8)bit|nf4|(?:nv|mx)?fp4|fp8|int4|int8|[48]bit|hqq|exl2|gguf|w[48]a\d+|(?<!un)quantized",
    re.IGNORECASE,
)
_PICKLED = re.compile(r"\.(?:bin|pt|pth|ckpt|pkl)$", re.IGNORECASE)


def families_in(name: str) -> set[str]:
    """Families that a model's name mentions; a distilled model mentions two."""
    return {family for family, pattern in _FAMILY if pattern.search(name.rpartition("/")[2])}


def size_in(name: str) -> float | None:
    """Billions of parameters that a model's name says, such as 7 for `Mistral-7B-v0.1`."""
    match = _SIZE.search(name.rpartition("/")[2].replace("_", "-"))
    return float(match[1]) if match else None


def shape_of(options: Options) -> Architecture | Unknown:
    """The architecture of the model."""
    return Unknown("the model is not known") if options.model is None else architecture_of(options.model)


def _of_model(options: Options, field: str) -> Any:
    value = None if options.model is None else getattr(options.model, field)
    return Unknown(f"the model's {field} is not known") if value is None else value


@fact(cite=("book:numerical-representations",))
def config_model_dtype(options: Options) -> str | Unknown:
    """Dtype that the base model was released in."""
    return _of_model(options, "dtype")  # type: ignore[no-any-return]


@fact(unit="tokens")
def config_model_context(options: Options) -> int | Unknown:
    """Longest input that the base model was made for."""
    return _of_model(options, "context_tokens")  # type: ignore[no-any-return]


@fact()
def config_model_tuned(options: Options) -> str | Unknown:
    """Whether the base model is as pretrained (`base`) or follows instructions (`instruct`)."""
    return _of_model(options, "tuned")  # type: ignore[no-any-return]


@fact(unit="width")
def config_model_width(options: Options) -> int | Unknown:
    """Width of the base model's residual stream."""
    shape = shape_of(options)
    return shape if isinstance(shape, Unknown) else shape.hidden


@fact()
def config_model_type(options: Options) -> str | Unknown:
    """The base model's `model_type`, as transformers names it."""
    config = (options.model.config if options.model else None) or {}
    return str(config["model_type"]) if "model_type" in config else Unknown("the model has no configuration at hand")


@fact()
def config_base_has_template(options: Options) -> bool:
    """Whether even the family's base models come with a chat template, as far as that is known."""
    model = options.model
    return model is not None and (model.has_chat_template is True or bool(families_in(model.id) & {"qwen", "smollm"}))


@fact()
def config_remote_code_idle(options: Options) -> bool:
    """Whether the model is of an architecture that transformers has itself, so that its own code is not needed."""
    config = (options.model.config if options.model else None) or {}
    return str(config.get("model_type", "")) in KNOWN_TYPES


@fact(cite=("book:quantization",))
def config_prequantized(configuration: Configuration, options: Options) -> bool:
    """Whether the base model's weights are stored in 8 bits or less, by its name or its own configuration."""
    name = str(configuration.value("base_model", ""))
    stored = options.model is not None and options.model.quantization is not None
    return stored or bool(_QUANTIZED.search(name.rpartition("/")[2]))


@fact()
def config_weights_pickled(configuration: Configuration) -> bool:
    """Whether weights are read from a pickled file."""
    names = (configuration.value(name, "") for name in ("base_model", "adapter_path", "resume"))
    return any(_PICKLED.search(str(name)) for name in names)


@fact(cite=("book:finetuning-tactics",))
def config_licence_non_commercial(options: Options) -> bool | Unknown:
    """Whether the licence of the base model keeps it from commercial use."""
    model = options.model
    if model is None:
        return Unknown("the model is not known")
    if model.commercial_use is not None:
        return not model.commercial_use
    return bool(NON_COMMERCIAL.search(model.licence)) if model.licence else Unknown("the licence is not known")


@fact()
def config_licence(options: Options) -> str | Unknown:
    """Licence of the base model."""
    return _of_model(options, "licence")  # type: ignore[no-any-return]


@fact()
def config_device_bf16(options: Options) -> bool | Unknown:
    """Whether the device computes in bf16."""
    known = options.hardware.device.bf16 if options.hardware else None
    return Unknown("the device is not known") if known is None else known


@fact()
def config_device_named(options: Options) -> bool:
    """Whether the hardware is known."""
    return options.hardware is not None


@fact(cite=("dao-2022-flash-attention",))
def config_device_flash(options: Options) -> bool | Unknown:
    """Whether the device runs FlashAttention 2: NVIDIA from compute capability 8.0, AMD's own builds are not judged."""
    device = options.hardware.device if options.hardware else None
    if device is None:
        return Unknown("the device is not known")
    if device.kind in ("cpu", "mps"):
        return False
    if device.compute_capability is None:
        return Unknown("the device's compute capability is not known")
    return float(device.compute_capability) >= FLASH_CAPABILITY


#: FlashAttention 2 needs Ampere or newer.
FLASH_CAPABILITY = 8.0


@fact(unit="devices")
def config_devices(options: Options) -> int | Unknown:
    """Devices that share the work, when the hardware is known."""
    hardware = options.hardware
    return (
        Unknown("the number of devices is not known") if hardware is None else (hardware.device.count * hardware.nodes)
    )
