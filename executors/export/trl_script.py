"""The script for TRL, for what its command has no option for: other methods of peft, parts of a model, stopping."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from executors.export.stretching import as_python
from executors.export.words import all_embeddings, started

if TYPE_CHECKING:
    from executors.export.sheet import Sheet
    from executors.export.trainings import Training

LOW_RANK = ("lora", "dora", "qlora")
TEXT = Path(__file__).parent / "scripts" / "trl_train.txt"
TASK = 'task_type="CAUSAL_LM"'
# What peft is told for a method, beside the task.
CONFIGURATIONS = {
    "ia3": "IA3Config({task})",
    "p-tuning": "PromptEncoderConfig({task}, num_virtual_tokens={tokens}, encoder_hidden_size=hidden_size(model_args))",
    "prefix-tuning": "PrefixTuningConfig({task}, num_virtual_tokens={tokens}, init_weights={start})",
    "prompt-tuning": "PromptTuningConfig({task}, num_virtual_tokens={tokens}, prompt_tuning_init={start})",
}
SOFT_STARTS = {"zero-output": "'zero'", "sampled-vocabulary": "'SAMPLE_VOCAB'", "random": "'RANDOM'"}


def script(sheet: Sheet, training: Training, trainer: str) -> str:
    """The script for what the command has no word for; empty where the command says it all.

    Args:
        sheet: the settings that stand in the file beside it.
        training: what is trained.
        trainer: what trl's classes start with: SFT, DPO or KTO.
    """
    adapter = _adapter(sheet, training)
    patience, ratio = sheet.get("early_stopping_patience"), sheet.get("rate_ratio") or 1.0
    positions, gaps = as_python(sheet, training), training.gaps
    marks = list(gaps.marks) if gaps and gaps.added else []
    if marks and training.params["method"] in LOW_RANK:
        all_embeddings(sheet)
    only = {"partial": sheet.get("layers_trained"), "bitfit": "bias"}.get(str(training.params["method"]))
    modules = sheet.get("modules_trained") or "all"
    if not adapter and only is None and ratio == 1 and positions is None and not marks:
        if patience is not None:
            because = f"`trl` has no early stopping: all epochs are run, where the plan stops after {patience} losses."
            sheet.unsaid("early_stopping_patience", because, "The best checkpoint is kept all the same.")
        return ""
    values = {
        "ADAPTER": adapter or "get_peft_config(model_args)",
        "CONTINUES": repr(training.base.adapter),
        "TRAINED": repr(only),
        "MODULES": repr([] if modules == "all" else modules),
        "RATE_RATIO": repr(float(ratio)),
        "PATIENCE": repr(patience),
        "POSITIONS": repr(positions),
        "MARKS": repr(marks),
        "TRAINER": trainer,
    }
    text = TEXT.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"<{name}>", value)
    return text


def _adapter(sheet: Sheet, training: Training) -> str:
    """The adapter as peft's own object, where the command cannot say it."""
    method, start = str(training.params["method"]), sheet.get("initialisation")
    if method in CONFIGURATIONS:
        # Prefixes start at random unless they are told to start without effect.
        word = "None" if (method, start) == ("prefix-tuning", "random") else SOFT_STARTS.get(start, "None")
        return CONFIGURATIONS[method].format(task=TASK, tokens=sheet.get("virtual_tokens"), start=word)
    begins = started(sheet) if method in LOW_RANK else True
    if begins is True:
        return "None" if method in LOW_RANK and training.base.adapter else ""
    said = sheet.settings
    return (
        f"LoraConfig({TASK}, r={said['lora_r']}, lora_alpha={said['lora_alpha']}, "
        f"lora_dropout={said['lora_dropout']}, target_modules={sheet.get('targets')!r}, "
        f"use_rslora={said['use_rslora']}, use_dora={said['use_dora']}, init_lora_weights={begins!r})"
    )
