"""Facts about what is trained: the adapter's numbers, its targets, the base's quantization."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts import Unknown, fact
from planner.memory import EstimateError
from planner.memory.targets import check_targets
from planner.review.facts.model import shape_of

if TYPE_CHECKING:
    from planner.review.configuration import Configuration
    from planner.review.options import Options

LORA_METHODS = frozenset({"lora", "qlora", "lora-8bit", "dora"})


@fact(cite=("book:lora", "hu-2021-lora"))
def config_is_lora(configuration: Configuration) -> bool | Unknown:
    """Whether low-rank adapters are trained."""
    method = configuration.get("method")
    return method if isinstance(method, Unknown) else method in LORA_METHODS


@fact(unit="times", cite=("book:lora",))
def config_alpha_per_rank(config_alpha: float, config_rank: float) -> float | Unknown:
    """Scale of the adapter's update in classic LoRA: alpha divided by rank."""
    return config_alpha / config_rank if config_rank > 0 else Unknown("the rank is not positive")


@fact(cite=("peft-docs",))
def config_adapter_idle(configuration: Configuration) -> bool:
    """Whether the file sets an adapter's rank or scale, and every weight is trained because no adapter is named."""
    named = [name for name in ("rank", "alpha", "targets") if configuration.stated(name)]
    return bool(named) and configuration.value("method") == "full" and not configuration.stated("method")


@fact(cite=("dettmers-2023-qlora",))
def config_quantized_on_load(configuration: Configuration) -> bool:
    """Whether the base is quantized to 4 or 8 bits as it is loaded."""
    return any(configuration.value(f"load_in_{bits}bit") is True for bits in (4, 8))


@fact(cite=("bitsandbytes-docs",))
def config_both_quantizations(configuration: Configuration) -> bool:
    """Whether the base is to be loaded in 4 and in 8 bits at once."""
    return all(configuration.value(f"load_in_{bits}bit") is True for bits in (4, 8))


@fact(cite=("micikevicius-2017-mixed-precision",))
def config_both_halves(configuration: Configuration) -> bool:
    """Whether bf16 and fp16 mixed precision are both on."""
    return all(configuration.value(name) is True and configuration.stated(name) for name in ("bf16", "fp16"))


@fact(cite=("book:numerical-representations",))
def config_precision(configuration: Configuration) -> str | Unknown:
    """Format that products are computed in: bf16, fp16 or fp32."""
    on = [name for name in ("bf16", "fp16") if configuration.value(name) is True]
    if on:
        return on[0]
    known = configuration.value("bf16") is False and configuration.value("fp16") is False
    dtype = configuration.value("base_dtype", "fp32")
    return str(dtype) if known else Unknown("the file does not say the precision")


def _missing(configuration: Configuration, options: Options) -> tuple[list[str], int] | Unknown:
    """Targets that no module of the model has, and how many targets there are."""
    targets = configuration.value("targets")
    shape = shape_of(options)
    if not targets or targets == ["all-linear"]:
        return Unknown("the file names no targets")
    if isinstance(shape, Unknown):
        return shape
    if not shape.known or any(not str(name).replace("_", "").replace(".", "").isalnum() for name in targets):
        return Unknown("the model's modules are not known, or a target is a pattern")
    missing = []
    for name in targets:
        try:
            check_targets(shape, (str(name),))
        except EstimateError:
            missing.append(str(name))
    return missing, len(targets)


@fact(unit="modules", cite=("peft-docs",))
def config_targets_missing(configuration: Configuration, options: Options) -> int | Unknown:
    """How many targets of the adapter name no module of the model."""
    found = _missing(configuration, options)
    return found if isinstance(found, Unknown) else len(found[0])


@fact(cite=("peft-docs",))
def config_missing_targets(configuration: Configuration, options: Options) -> str | Unknown:
    """The targets that name no module of the model."""
    found = _missing(configuration, options)
    return found if isinstance(found, Unknown) else ", ".join(found[0])


@fact(cite=("peft-docs",))
def config_no_target_left(configuration: Configuration, options: Options) -> bool | Unknown:
    """Whether no target of the adapter names a module of the model."""
    found = _missing(configuration, options)
    return found if isinstance(found, Unknown) else len(found[0]) == found[1]
