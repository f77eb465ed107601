"""What the trainers of transformers, trl, LLaMA-Factory and unsloth share: names of settings and their words."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from executors.train.optimizers import GALORE, NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.export.sheet import Sheet, Way
    from executors.export.trainings import Training

SCHEDULES = {"linear": "linear", "constant": "constant_with_warmup", "cosine": "cosine"}
DTYPES = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
ATTENTION = {"sdpa": "sdpa", "eager": "eager", "flash": "flash_attention_2"}
# Names by which peft knows how a low-rank adapter starts, where it needs nothing else for it.
STARTS: Mapping[str, bool | str] = {
    "zero-output": True, "gaussian": "gaussian", "mica": "mica", "olora": "olora", "orthogonal": "orthogonal",
    "pissa": "pissa",
}  # fmt: skip
# Checkpoints that are kept: the best and the last.
KEPT = 2


def _precision(sheet: Sheet, value: str) -> None:
    sheet.put(bf16=value == "bf16", fp16=value == "fp16")


def _batch(sheet: Sheet, value: int) -> None:
    sheet.put(per_device_train_batch_size=value, per_device_eval_batch_size=value)


def _seed(sheet: Sheet, value: int) -> None:
    sheet.put(seed=value, data_seed=value)


def alpha(sheet: Sheet, value: float) -> None:
    """The scale of a low-rank adapter, which every tool takes as a whole number."""
    sheet.put(lora_alpha=round(value))
    if round(value) != value:
        sheet.unsaid("alpha", f"{sheet.tool} takes alpha as a whole number: {round(value)} instead of {value:g}.")


def started(sheet: Sheet) -> bool | str:
    """How a low-rank adapter starts, in peft's word; that a start looks at the rows first cannot be said."""
    start = sheet.get("initialisation")
    if start in STARTS:
        return STARTS[start]
    because = f"The adapter starts from {start} in the plan, which looks at the rows; {sheet.tool} is told none of it."
    sheet.unsaid("initialisation", because, "It starts without effect: run it with adapt where that matters.")
    return True


def liger(sheet: Sheet, value: str, setting: str = "use_liger_kernel") -> None:
    """Liger's kernels, which are off unless the tool is told; it would stop where they are not installed."""
    sheet.settings[setting] = False
    if value != "never":
        because = "Liger's kernels are used in the plan where they are installed."
        sheet.unsaid("liger_kernel", because, f"Set {setting} where they are; only speed differs.", severity="note")


def not_packed(sheet: Sheet, value: bool) -> None:  # noqa: FBT001 - a parameter's value
    """Rows never share a sequence, as planned; where they shall, tools that mask them say so themselves."""
    sheet.put(packing=value)


# What transformers' TrainingArguments says.
TRAINING: Mapping[str, Way] = {
    "learning_rate": "learning_rate",
    "schedule": ("lr_scheduler_type", SCHEDULES),
    "epochs": "num_train_epochs",
    "micro_batch": _batch,
    "accumulation": "gradient_accumulation_steps",
    "optimizer": ("optim", NAMES),
    "weight_decay": "weight_decay",
    "beta1": "adam_beta1",
    "beta2": "adam_beta2",
    "max_grad_norm": "max_grad_norm",
    "precision": _precision,
    "seed": _seed,
    "liger_kernel": liger,
}


def prompt_loss(sheet: Sheet, on_prompt: str, *, inverted: bool = False) -> None:
    """Say whether the prompt is learned too, which is all that most tools can say of its weight.

    Args:
        sheet: to be filled.
        on_prompt: the tool's setting.
        inverted: whether the setting is on where only the answer is learned.
    """
    weight = sheet.get("prompt_loss_weight")
    if weight is None:
        return
    learned = weight >= 1 / 2
    sheet.settings[on_prompt] = learned != inverted
    if weight not in (0, 1):
        because = (
            f"The prompt's tokens weigh {weight:g} in the loss; {sheet.tool} takes them whole or not at all, and is "
            f"told {'whole' if learned else 'not at all'}."
        )
        sheet.unsaid("prompt_loss_weight", because, "The result may differ a little from the plan's.")


def behind_the_end(sheet: Sheet, training: Training) -> None:
    """That a tool learns what the chat template writes behind an answer, which the plan does not."""
    if training.base.chat and training.shape in ("sft", "preference"):
        because = f"{sheet.tool} also learns what the chat template writes behind the end of an answer: a line break."
        fix = "Losses differ by that token; answers do not, since they end before it."
        sheet.unsaid("prompt", because, fix, severity="note")


def paired_otherwise(sheet: Sheet) -> None:
    """That the baseline of a loss on single answers is estimated from other pairs of rows."""
    because = (
        f"The baseline of kto is estimated from answers to other requests, which {sheet.tool} pairs in its own way."
    )
    sheet.unsaid("preference_loss", because, "Losses differ in the third digit.", severity="note")


def all_embeddings(sheet: Sheet) -> None:
    """That a tool learns new tokens with all others."""
    because = f"{sheet.tool} trains all embeddings beside an adapter, where the plan trains those of the new tokens."
    sheet.unsaid("objective", because, "The adapter becomes larger, and is merged for serving.")


def gap_shares(sheet: Sheet) -> None:
    """How many texts have a gap, and in which order its parts stand: the rows are written so, one draw of the seed."""
    for name in ("fim_rate", "spm_rate"):
        if sheet.get(name) not in (None, 0, 1):
            because = (
                f"{name} {sheet.params[name]:g}: the rows hold one draw, where the plan draws by its seed as well."
            )
            sheet.unsaid(name, because, severity="note")


def evaluation(sheet: Sheet, *, validated: bool) -> None:
    """When the validation loss is measured, and that the best checkpoint is kept."""
    times, epochs = sheet.get("evaluations_per_epoch") or 0, sheet.get("epochs") or 1.0
    sheet.put(logging_steps=10, report_to="none", save_total_limit=KEPT, save_only_model=False)
    if not (validated and times):
        sheet.put(eval_strategy="no", save_strategy="epoch")
        return
    sheet.put(eval_strategy="epoch" if times == 1 else "steps")
    sheet.put(save_strategy=sheet.settings["eval_strategy"])
    if times > 1:
        # Below one it is a share of all steps.
        share = round(1 / (times * epochs), 6)
        sheet.put(eval_steps=share, save_steps=share)
    sheet.put(load_best_model_at_end=True, metric_for_best_model="eval_loss", greater_is_better=False)


def checkpoints(sheet: Sheet) -> None:
    """Checkpoints by time, which no tool writes."""
    seconds = sheet.get("checkpoint_s")
    if seconds is not None:
        because = f"A checkpoint every {seconds:g} s is not said: {sheet.tool} writes them by steps or epochs."
        sheet.unsaid("checkpoint_s", because, severity="note")


def galore(sheet: Sheet) -> str:
    """The arguments of GaLore's optimizer, which ours takes too."""
    values: dict[str, Any] = {"rank": sheet.get("rank"), **GALORE}
    return ", ".join(f"{name}={value}" for name, value in values.items())


def steps_per_epoch(rows: int, params: Mapping[str, Any]) -> int:
    """Optimizer steps in which every row is seen once."""
    batch = int(params.get("micro_batch") or 1) * int(params.get("accumulation") or 1)
    return math.ceil(rows / (batch * int(params.get("devices") or 1)))


def warmup(sheet: Sheet, training: Training, share: str | None = "warmup_steps") -> None:
    """Optimizer steps over which the rate rises, to the nearest as in the plan, where tools round up or down.

    Args:
        sheet: to be filled.
        training: with the rows as the tool is given them.
        share: the tool's setting for a share of all steps, for packed rows, whose steps are not known; None for none.
    """
    ratio = float(sheet.get("warmup_ratio") or 0.0)
    if share is not None and training.params.get("packing"):
        sheet.settings[share] = ratio
        return
    total = math.ceil(float(training.params.get("epochs") or 1) * steps_per_epoch(len(training.train), training.params))
    sheet.put(warmup_steps=round(ratio * total))
