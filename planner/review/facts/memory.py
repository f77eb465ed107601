"""Facts about memory: what the configuration needs of one device, and the cheapest change that makes it fit."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from planner.facts import Unknown, fact
from planner.memory import EstimateError, TrainingSetting, cheapest_fit, estimate_training, training_setting
from planner.review.facts.model import config_prequantized, shape_of

if TYPE_CHECKING:
    from planner.memory import Architecture, TrainingEstimate
    from planner.review.configuration import Configuration
    from planner.review.options import Options

MEMORY = ("book:memory-bottlenecks", "korthikanti-2022")
_METHODS = frozenset(
    {
        "full", "partial", "lora", "qlora", "lora-8bit", "dora", "adapter", "bitfit", "ia3", "prompt-tuning",
        "prefix-tuning", "p-tuning", "galore",
    }
)  # fmt: skip
_LORA = frozenset({"lora", "dora", "qlora", "lora-8bit"})
#: The tools' words for optimizers, the more exact one first.
_OPTIMIZERS = (
    ("paged_adamw_8bit", "paged-adamw-8bit"), ("paged_adamw", "paged-adamw"), ("paged_lion_8bit", "lion-8bit"),
    ("8bit_lion", "lion-8bit"), ("lion_8bit", "lion-8bit"), ("lion", "lion"), ("adamw_8bit", "adamw-8bit"),
    ("adamw_bnb_8bit", "adamw-8bit"), ("ao_adamw_8bit", "adamw-8bit"), ("adafactor", "adafactor"), ("muon", "muon"),
    ("sgd", "sgd"), ("adam", "adamw"),
)  # fmt: skip
_ATTENTION = {"flash": "flash", "eager": "eager"}
_DEVICES_NEEDED = frozenset({"fsdp", "zero-1", "zero-2", "zero-3"})


@lru_cache(maxsize=256)
def _estimate(shape: Architecture, setting: TrainingSetting) -> TrainingEstimate | Unknown:
    try:
        return estimate_training(shape, setting)
    except EstimateError as error:
        return Unknown(str(error))


def memory_setting(configuration: Configuration, options: Options) -> TrainingSetting | Unknown:
    """The configuration in the words of the memory math, with the reason when something is not known."""
    if configuration.value("training") is not True:
        return Unknown("the file does not train")
    method = str(configuration.value("method"))
    if method in ("lora", "lora-8bit") and config_prequantized(configuration, options):
        # The base is stored in a few bits already.
        method = "qlora"
    if method not in _METHODS:
        return Unknown(f"the memory of {method} is not computed")
    sequence, batch = configuration.value("max_length"), configuration.value("micro_batch")
    if not sequence or not batch or sequence < 1 or batch < 1:
        return Unknown("the length of a sequence or the micro-batch is not known")
    distribution = str(configuration.value("distribution", "single"))
    devices = options.hardware.device.count * options.hardware.nodes if options.hardware else 1
    if distribution in _DEVICES_NEEDED and options.hardware is None:
        return Unknown(f"{distribution} shares the model, and the number of devices is not known")
    fields: dict[str, Any] = {
        "method": "dora" if method == "lora" and configuration.value("dora") is True else method,
        "batch": int(batch),
        "sequence": int(sequence),
        "accumulation": int(configuration.value("accumulation", 1) or 1),
        "checkpointing": configuration.value("gradient_checkpointing") is True,
        "precision": "amp" if any(configuration.value(name) is True for name in ("bf16", "fp16")) else "fp32",
        "base_dtype": {"fp32": "fp32"}.get(str(configuration.value("base_dtype")), "bf16"),
        "attention": _ATTENTION.get(str(configuration.value("attention")), "sdpa"),
        "loss": "fused" if configuration.value("fused_loss") is True else "full",
        "padding_mask": batch > 1 and configuration.value("packing") is not True,
        "objective": "preference" if configuration.value("objective") in ("preference", "kto") else "sft",
        "optimizer": _optimizer(str(configuration.value("optimizer", ""))),
        "sharding": distribution if devices > 1 or distribution in _DEVICES_NEEDED else "single",
        "devices": devices if devices > 1 else 1,
        "offload": configuration.value("offload", "none"),
    }
    if fields["sharding"] in ("single",) and devices > 1:
        fields["sharding"] = "ddp"
    if method in _LORA:
        fields |= {
            "rank": int(configuration.value("rank", 16) or 16),
            "targets": _targets(configuration),
            "modules_to_save": tuple(map(str, configuration.value("modules_to_save") or ())),
            "dropout": min(0.99, max(0.0, float(configuration.value("adapter_dropout", 0.0)))),
        }
    if method == "partial":
        fields["layers_trained"] = int(configuration.value("layers_trained", 2))
    try:
        return training_setting(**fields)
    except (EstimateError, ValueError, OverflowError) as error:
        return Unknown(str(error))


def _targets(configuration: Configuration) -> tuple[str, ...] | str:
    names = configuration.value("targets") or ["all-linear"]
    return "all-linear" if "all-linear" in names else tuple(map(str, names))


def _optimizer(word: str) -> str:
    return next((ours for theirs, ours in _OPTIMIZERS if theirs in word.lower()), "adamw")


def memory_estimate(configuration: Configuration, options: Options) -> TrainingEstimate | Unknown:
    """Peak memory of one device for a step of training."""
    shape, setting = shape_of(options), memory_setting(configuration, options)
    if isinstance(shape, Unknown):
        return shape
    if isinstance(setting, Unknown):
        return setting
    found = _estimate(shape, setting)
    if isinstance(found, Unknown) and setting.targets != "all-linear":
        # Targets that the model lacks are a finding of their own.
        return _estimate(shape, setting.model_copy(update={"targets": "all-linear", "modules_to_save": ()}))
    return found


def _device_bytes(options: Options) -> int | Unknown:
    memory = options.hardware.device.memory_bytes if options.hardware else 0
    return memory or Unknown("no hardware is given")


def _share(configuration: Configuration, options: Options, which: str) -> float | Unknown:
    estimate, memory = memory_estimate(configuration, options), _device_bytes(options)
    if isinstance(memory, Unknown):
        return memory
    return estimate if isinstance(estimate, Unknown) else round(getattr(estimate.device_bytes, which) / memory, 4)


@fact(unit="fraction", cite=MEMORY)
def config_memory_share(configuration: Configuration, options: Options) -> float | Unknown:
    """Share of one device that training needs, as expected."""
    return _share(configuration, options, "expected")


@fact(unit="fraction", cite=MEMORY)
def config_memory_share_high(configuration: Configuration, options: Options) -> float | Unknown:
    """Share of one device that training needs, at the high end of the estimate."""
    return _share(configuration, options, "high")


@fact(unit="fraction", cite=MEMORY)
def config_memory_share_still(configuration: Configuration, options: Options) -> float | Unknown:
    """Share of one device that weights, gradients and optimizer states alone take, whatever the rows."""
    estimate, memory = memory_estimate(configuration, options), _device_bytes(options)
    if isinstance(memory, Unknown):
        return memory
    if isinstance(estimate, Unknown):
        return estimate
    return round(sum(estimate.items[name] for name in ("weights", "gradients", "optimizer")) / memory, 4)


@fact(unit="GB", cite=MEMORY)
def config_memory_gb(configuration: Configuration, options: Options) -> float | Unknown:
    """Memory of one device that training needs, as expected."""
    estimate = memory_estimate(configuration, options)
    return estimate if isinstance(estimate, Unknown) else round(estimate.device_bytes.expected / 1e9, 1)


@fact(unit="GB", cite=MEMORY)
def config_device_gb(options: Options) -> float | Unknown:
    """Memory of one device."""
    memory = _device_bytes(options)
    return memory if isinstance(memory, Unknown) else round(memory / 1e9, 1)


@fact(cite=MEMORY)
def config_device_name(options: Options) -> str | Unknown:
    """Name of the device."""
    return options.hardware.device.name if options.hardware else Unknown("no hardware is given")


@fact(cite=MEMORY)
def config_cheapest_fit(configuration: Configuration, options: Options) -> str | Unknown:
    """The cheapest change after which training fits the device, as a sentence."""
    shape, setting, memory = shape_of(options), memory_setting(configuration, options), _device_bytes(options)
    for each in (shape, setting, memory):
        if isinstance(each, Unknown):
            return each
    try:
        change = cheapest_fit(shape, setting, memory)  # type: ignore[arg-type]
    except EstimateError as error:
        return Unknown(str(error))
    if change is None:
        return "No change of these settings makes it fit: take a larger device or a smaller model."
    return f"The cheapest change that makes it fit: {_difference(setting, change.setting)}."  # type: ignore[arg-type]


def _difference(before: TrainingSetting, after: TrainingSetting) -> str:
    """What changes between two settings, in words."""
    parts = []
    if after.checkpointing and not before.checkpointing:
        parts.append("gradient checkpointing on")
    if after.batch != before.batch:
        parts.append(f"a micro-batch of {after.batch} with {after.accumulation} accumulation steps")
    if after.method != before.method:
        words = {"lora": "LoRA", "lora-8bit": "LoRA on an 8-bit base", "qlora": "LoRA on a 4-bit base (QLoRA)"}
        parts.append(words.get(after.method, after.method))
    if after.optimizer != before.optimizer:
        parts.append(f"the optimizer {after.optimizer}")
    if after.sequence != before.sequence:
        parts.append(f"sequences of {after.sequence:,} tokens")
    if after.offload != before.offload:
        parts.append(f"{after.offload} in host memory")
    if after.devices != before.devices:
        parts.append(f"FSDP over {after.devices} devices")
    return ", ".join(parts)
