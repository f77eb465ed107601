"""Facts about the numbers of training: rates, batches, steps."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from planner.facts import Unknown, fact
from planner.rules import core_book

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.review.configuration import Configuration

REGRET = ("schulman-2025-lora-without-regret", "tinker-cookbook")
TACTICS = ("book:finetuning-tactics",)
#: Width of the model at which the plan's rate is given.
RATE_WIDTH = 2000
_SHARDED = frozenset({"fsdp", "zero-1", "zero-2", "zero-3", "ddp"})


def _plan_number(name: str) -> float:
    """A threshold of the plan's rules: one figure serves planning and review."""
    return float(core_book().thresholds[name].value)


@fact(cite=("loshchilov-2019-adamw",))
def config_adam(configuration: Configuration) -> bool | Unknown:
    """Whether the optimizer is of Adam's family, whose usual rates are known."""
    word = configuration.value("optimizer")
    return Unknown("the file does not say the optimizer") if word is None else "adam" in str(word).lower()


@fact(cite=REGRET)
def config_best_full_rate(config_model_width: int | Unknown, config_model_type: str | Unknown) -> float:
    """Full finetuning's best rate for the model's width; the upper end of the usual range when it is not known."""
    if isinstance(config_model_width, Unknown):
        return _plan_number("full_rate_at_2000")
    qwen = isinstance(config_model_type, str) and config_model_type.startswith("qwen")
    power = _plan_number("rate_width_power_qwen" if qwen else "rate_width_power")
    return float(f"{_plan_number('full_rate_at_2000') * (RATE_WIDTH / config_model_width) ** power:.1e}")


@fact(unit="times", cite=REGRET)
def config_rate_over_full(config_learning_rate: float, config_best_full_rate: float) -> float:
    """The learning rate as a multiple of the best one of full finetuning."""
    return config_learning_rate / config_best_full_rate


@fact(unit="times", cite=REGRET)
def config_rate_over_lora(config_learning_rate: float, config_best_full_rate: float) -> float:
    """The learning rate as a multiple of LoRA's best one for the model's width."""
    return config_learning_rate / (_plan_number("lora_rate_factor") * config_best_full_rate)


@fact(unit="times", cite=REGRET)
def config_rate_over_usual_lora(
    config_learning_rate: float, config_best_full_rate: float, thresholds: Mapping[str, float]
) -> float:
    """The same against the lower of that best rate and the usual one: what is far below both is surely low."""
    best = min(_plan_number("lora_rate_factor") * config_best_full_rate, thresholds["usual_lora_rate"])
    return config_learning_rate / best


@fact(cite=TACTICS)
def config_sharded(configuration: Configuration) -> bool:
    """Whether the file spreads the work over devices, so that there is surely more than one."""
    return configuration.value("distribution") in _SHARDED


@fact(unit="rows", cite=TACTICS)
def config_rows_per_device(config_micro_batch: float, config_accumulation: float) -> float:
    """Sequences of one device in one step of the optimizer."""
    return config_micro_batch * config_accumulation


@fact(unit="rows", cite=TACTICS)
def config_packed_rows(configuration: Configuration, config_mean_tokens: float | Unknown) -> float | Unknown:
    """Rows in one sequence: one, or with packing as many as its length holds."""
    if configuration.value("packing") is not True:
        return 1.0
    length = configuration.value("max_length")
    if isinstance(config_mean_tokens, Unknown) or length is None:
        return Unknown("the length of the rows that are packed is not known")
    return max(1.0, float(length) / config_mean_tokens)


@fact(unit="rows", cite=TACTICS)
def config_effective_batch(config_rows_per_device: float, config_devices: int, config_packed_rows: float) -> float:
    """Rows of one step of the optimizer over all devices, packed ones counted singly."""
    return round(config_rows_per_device * config_devices * config_packed_rows, 1)


@fact(unit="rows", cite=TACTICS)
def config_least_batch(
    config_rows_per_device: float, config_devices: int | Unknown, config_packed_rows: float, *, config_sharded: bool
) -> float | Unknown:
    """Rows of one step on a single device, where neither the file nor the caller speaks of more."""
    if config_sharded or not isinstance(config_devices, Unknown):
        return Unknown("there are several devices, or their number is known")
    return config_rows_per_device * config_packed_rows


@fact(unit="steps", cite=TACTICS)
def config_total_steps(
    configuration: Configuration,
    config_data_rows: int | Unknown,
    config_effective_batch: float | Unknown,
    config_rows_per_device: float | Unknown,
) -> int | Unknown:
    """Steps of the optimizer over the whole training."""
    steps = configuration.value("max_steps")
    if steps:
        return int(steps)
    epochs = configuration.value("epochs")
    batch = config_rows_per_device if isinstance(config_effective_batch, Unknown) else config_effective_batch
    if isinstance(config_data_rows, Unknown) or epochs is None or isinstance(batch, Unknown) or batch <= 0:
        return Unknown("the steps follow from the rows, which are not known")
    if configuration.value("packing") is True and isinstance(config_effective_batch, Unknown):
        return Unknown("packing makes fewer sequences than rows")
    return math.ceil(config_data_rows * float(epochs) / batch)


@fact(unit="fraction", cite=TACTICS)
def config_warmup_share(configuration: Configuration, config_total_steps: int | Unknown) -> float | Unknown:
    """Share of the steps in which the learning rate rises."""
    steps, ratio = configuration.value("warmup_steps"), configuration.value("warmup_ratio")
    if steps:
        return config_total_steps if isinstance(config_total_steps, Unknown) else steps / max(1, config_total_steps)
    return Unknown("the file does not say the warm-up") if ratio is None else ratio


@fact(unit="times", cite=TACTICS)
def config_save_share(config_save_steps: float, config_total_steps: int) -> float:
    """Steps between checkpoints as a multiple of all steps."""
    return config_save_steps / max(1, config_total_steps)


@fact(unit="times", cite=TACTICS)
def config_eval_share(config_eval_steps: float, config_total_steps: int) -> float:
    """Steps between evaluations as a multiple of all steps."""
    return config_eval_steps / max(1, config_total_steps)


@fact(cite=("rafailov-2023-dpo",))
def config_sigmoid_preference(configuration: Configuration) -> bool | Unknown:
    """Whether the preference loss is one whose beta is usually between 0.01 and 1."""
    word = configuration.value("preference_loss")
    known = {"sigmoid", "hinge", "robust", "kto", "kto_pair", "dpo", "orpo", "ipo", "sigmoid_norm"}
    return Unknown("the file trains no preference") if word is None else str(word) in known
