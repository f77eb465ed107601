"""The script for a head over labels: TRL has no trainer for one, and builds on that of transformers, which has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.export.literals import shown
from executors.export.rendered import Rendered, refuse
from executors.export.rows import jsonl
from executors.export.sheet import Sheet
from executors.export.trl_script import LOW_RANK
from executors.export.words import ATTENTION, DTYPES, TRAINING, checkpoints, evaluation, started, warmup

if TYPE_CHECKING:
    from executors.export.trainings import Training

METHODS = ("full", *LOW_RANK)
TEXT = Path(__file__).parent / "scripts" / "head_train.txt"


def render_head(training: Training) -> Rendered:
    """The training of a head as a script.

    Raises:
        InputError: the script has no such method.
    """
    refuse(training, "the script for heads", METHODS)
    sheet = Sheet("The script", training.step.address, training.params)
    for name in ("objective", "labels", "prompt_loss_weight", "held_out", "packing"):
        sheet.get(name)
    model, adapter, rounded = _model(sheet, training), _adapter(sheet), _rounded(sheet)
    sheet.fill(TRAINING)
    warmup(sheet, training)
    sheet.put(gradient_checkpointing=sheet.get("gradient_checkpointing"))
    sheet.put(train_sampling_strategy="group_by_length" if sheet.get("length_grouped") else "random")
    evaluation(sheet, validated=bool(training.validation))
    patience, length = sheet.get("early_stopping_patience"), sheet.get("max_length")
    checkpoints(sheet)
    if sheet.get("distribution") not in (None, "single"):
        because = f"The plan trains with {sheet.get('distribution')}; the command starts one process."
        sheet.unsaid("distribution", because, "Start it with torchrun for several devices.")
        for name in ("devices", "nodes", "offload"):
            sheet.get(name)
    sheet.put(output_dir="output", use_cpu=training.on_cpu)
    sheet.close()
    values = {
        "TITLE": training.step.title,
        "LABELS": repr(list(training.labels)),
        "MODEL": shown(model),
        "ADAPTER": shown(adapter),
        "CONTINUES": repr(training.base.adapter),
        "ROUNDED": shown(rounded),
        "MAX_LENGTH": repr(length),
        "ARGUMENTS": shown(sheet.settings),
        "PATIENCE": repr(patience),
    }
    text = TEXT.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"<{name}>", value)
    sets = {"train": training.train, "validation": training.validation}
    data = {
        f"data/{name}.jsonl": jsonl({"text": row.plain, "label": row.answer} for row in rows)
        for name, rows in sets.items()
        if rows
    }
    return Rendered({"train.py": text, **data}, "python train.py", (*training.findings, *sheet.findings))


def _model(sheet: Sheet, training: Training) -> dict[str, Any]:
    said: dict[str, Any] = {"pretrained_model_name_or_path": training.base.name}
    if training.base.revision:
        said["revision"] = training.base.revision
    # What trains is fp32 in the plan's own training.
    whole = sheet.get("method") == "full" and sheet.params.get("precision") != "fp32"
    dtype = str(sheet.get("base_dtype"))
    if whole and dtype != "fp32":
        because = f"The script holds and writes the whole model in fp32; the plan writes it in {dtype}."
        sheet.unsaid("base_dtype", because, "Convert the result, or give more memory.", severity="note")
    said["dtype"] = "float32" if whole else DTYPES[dtype]
    return said | {"attn_implementation": ATTENTION[str(sheet.get("attention"))]}


def _adapter(sheet: Sheet) -> dict[str, Any]:
    if sheet.params["method"] not in LOW_RANK:
        return {}
    ratio = sheet.get("rate_ratio") or 1.0
    if ratio > 1:
        sheet.unsaid("rate_ratio", f"Both sides of the adapter learn at one rate; the plan has a ratio of {ratio:g}.")
    return {
        "r": sheet.get("rank"),
        "lora_alpha": sheet.get("alpha"),
        "lora_dropout": sheet.get("dropout"),
        "target_modules": sheet.get("targets"),
        "use_rslora": sheet.get("rank_scaling") == "rslora",
        "use_dora": sheet.params["method"] == "dora",
        "init_lora_weights": started(sheet),
    }


def _rounded(sheet: Sheet) -> dict[str, Any]:
    bits = sheet.get("base_quantization")
    if bits in ("nf4", "fp4"):
        return {"load_in_4bit": True, "bnb_4bit_quant_type": bits, "bnb_4bit_use_double_quant": True}
    return {"load_in_8bit": True} if bits == "int8" else {}
