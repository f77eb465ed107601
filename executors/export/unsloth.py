"""unsloth: a script, since its interface is Python; names are those of its 2026 releases and of trl [unsloth-docs]."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.export.literals import shown
from executors.export.rendered import Rendered, refuse, refuse_head, refuse_loss, told_end
from executors.export.sheet import Sheet
from executors.export.stretching import as_python
from executors.export.trl import PAIRED, TRL, command_of, data_files, learned
from executors.export.words import DTYPES, behind_the_end, checkpoints, evaluation, gap_shares, started, warmup
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.export.trainings import Training

METHODS = ("full", "lora", "qlora")
SCRIPT = Path(__file__).parent / "scripts" / "unsloth_train.txt"
# Names of the matrix products in blocks, which unsloth wants to be told.
ALL_LINEAR = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def render(training: Training) -> Rendered:
    """The training as a script for unsloth.

    Raises:
        InputError: unsloth has no such method.
    """
    refuse_head(training, "unsloth")
    if training.gaps and training.gaps.added:
        message = f"{training.step.address} gives the base new tokens, which the script for unsloth does not do."
        raise InputError.one("EXPORT002", message)
    refuse(training, "unsloth", METHODS)
    refuse_loss(training, "unsloth", PAIRED)
    sheet = Sheet("unsloth", training.step.address, training.params)
    training = training.apart()
    sheet.get("objective")
    objective = command_of(training)
    model, adapter = _model(sheet, training), _adapter(sheet, training)
    learned(sheet, training, objective)
    ways = {name: way for name, way in TRL.items() if objective == "sft" or name != "packing"}
    sheet.get("packing")
    gap_shares(sheet)
    told_end(sheet, training)
    behind_the_end(sheet, training)
    sheet.fill(ways)
    warmup(sheet, training)
    evaluation(sheet, validated=bool(training.validation))
    patience = sheet.get("early_stopping_patience")
    checkpoints(sheet)
    if training.on_cpu:
        sheet.unsaid("precision", "The plan trains on a CPU, which unsloth does not know.", "Run it on a GPU.")
    because = "unsloth chooses the kernel of attention itself."
    sheet.unsaid("attention", because, severity="note")
    if sheet.get("distribution") not in (None, "single"):
        because = f"The plan trains with {sheet.get('distribution')}; the script uses one device."
        sheet.unsaid("distribution", because, "Export to trl for several.")
        for name in ("devices", "nodes", "offload"):
            sheet.get(name)
    ratio = sheet.get("rate_ratio") or 1.0
    if ratio > 1:
        sheet.unsaid("rate_ratio", f"Both sides of the adapter learn at one rate; the plan has a ratio of {ratio:g}.")
    sheet.put(output_dir="output")
    sheet.close()
    values = {
        "TITLE": training.step.title,
        "MODEL": shown(model),
        "ADAPTER": shown(adapter),
        "CONTINUES": repr(training.base.adapter),
        "ARGUMENTS": shown(sheet.settings),
        "PATIENCE": repr(patience),
        "VALIDATED": repr(bool(training.validation)),
        "TRAINER": objective.upper(),
    }
    text = SCRIPT.read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"<{name}>", value)
    return Rendered(
        {"train.py": text, **data_files(training)}, "python train.py", (*training.findings, *sheet.findings)
    )


def _model(sheet: Sheet, training: Training) -> dict[str, Any]:
    """What `FastLanguageModel.from_pretrained` is told."""
    method, bits = sheet.get("method"), sheet.get("base_quantization")
    said: dict[str, Any] = {"model_name": training.base.adapter or training.base.name}
    if training.base.revision and not training.base.adapter:
        said["revision"] = training.base.revision
    if bits == "fp4":
        sheet.unsaid("base_quantization", "unsloth rounds to nf4; the plan rounds to fp4.", "nf4 loses less.")
    positions = as_python(sheet, training)
    if positions is not None:
        said["rope_scaling"] = positions
    if method == "full":
        # What trains is fp32 in the plan's own training.
        said["float32_mixed_precision"] = True
    return said | {
        "max_seq_length": sheet.params.get("max_length"),
        "dtype": DTYPES[str(sheet.get("base_dtype"))],
        "load_in_4bit": bits in ("nf4", "fp4"),
        "load_in_8bit": bits == "int8",
        "full_finetuning": method == "full",
        "use_gradient_checkpointing": sheet.params.get("gradient_checkpointing"),
        "trust_remote_code": False,
        # Otherwise it takes a model of its own of the same name, quantized beforehand.
        "use_exact_model_name": True,
    }


def _adapter(sheet: Sheet, training: Training) -> dict[str, Any]:
    """What `FastLanguageModel.get_peft_model` is told; empty for full finetuning."""
    if training.params["method"] == "full":
        return {}
    targets, scale = sheet.get("targets"), float(sheet.get("alpha"))
    if targets == "all-linear":
        targets = ALL_LINEAR
        because = "All linear layers are named as the families of Llama, Qwen, Mistral and Gemma name them."
        sheet.unsaid("targets", because, "Correct `target_modules` for other architectures.", severity="note")
    return {
        "r": sheet.get("rank"),
        "lora_alpha": int(scale) if scale.is_integer() else scale,
        "lora_dropout": sheet.get("dropout"),
        "target_modules": targets,
        "bias": "none",
        "use_rslora": sheet.get("rank_scaling") == "rslora",
        "init_lora_weights": started(sheet),
        "use_gradient_checkpointing": sheet.params.get("gradient_checkpointing"),
        "random_state": sheet.params.get("seed"),
    }
