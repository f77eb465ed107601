"""TRL: a file for `trl sft` and `trl dpo`, and a script where the command has no word for the method.

Names are those of trl 1.16, transformers 5.23 and peft 0.21 [trl-docs, transformers-docs, peft-docs].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.export.head_script import render_head
from executors.export.rendered import Rendered, as_yaml, refuse, refuse_loss, told_end
from executors.export.rows import assistant, jsonl
from executors.export.sheet import Sheet
from executors.export.spreading import deepspeed, spread
from executors.export.trl_script import LOW_RANK, script
from executors.export.words import (
    ATTENTION,
    DTYPES,
    TRAINING,
    alpha,
    behind_the_end,
    checkpoints,
    evaluation,
    galore,
    gap_shares,
    not_packed,
    paired_otherwise,
    prompt_loss,
    warmup,
)
from executors.train.belonging import SINGLE_ANSWERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.export.rows import Told
    from executors.export.sheet import Way
    from executors.export.trainings import Training

METHODS = (
    "full", "partial", "bitfit", "galore", "lora", "dora", "qlora", "ia3", "prompt-tuning", "prefix-tuning", "p-tuning",
)  # fmt: skip
# Losses of trl's DPO trainer; orpo has no command.
PAIRED = (
    "sigmoid", "sigmoid_norm", "hinge", "ipo", "exo_pair", "nca_pair", "robust", "bco_pair", "sppo_hard", "apo_zero",
    "apo_down",
)  # fmt: skip


def _grouped(sheet: Sheet, value: bool) -> None:  # noqa: FBT001 - a parameter's value
    sheet.put(train_sampling_strategy="group_by_length" if value else "random")


def _length(sheet: Sheet, value: int) -> None:
    sheet.put(max_length=value)
    if sheet.settings.get("packing_strategy") == "bfd_split":
        # What is longer goes on in the next sequence, as in the plan.
        return
    because = f"Rows above {value} tokens are cut by {sheet.tool}; the plan's own training drops them whole."
    sheet.unsaid("max_length", because, severity="note")


TRL: Mapping[str, Way] = {
    **TRAINING,
    "gradient_checkpointing": "gradient_checkpointing",
    "length_grouped": _grouped,
    "max_length": _length,
    "packing": not_packed,
}
LORA: Mapping[str, Way] = {"rank": "lora_r", "alpha": alpha, "dropout": "lora_dropout"}


def render(training: Training) -> Rendered:
    """The training for TRL.

    Raises:
        InputError: TRL has no such method.
    """
    if training.labels:
        return render_head(training)
    refuse(training, "TRL", METHODS)
    refuse_loss(training, "TRL", (*PAIRED, *SINGLE_ANSWERS))
    sheet, params = Sheet("TRL", training.step.address, training.params), training.params
    training = training.apart()
    sheet.get("objective")
    objective = command_of(training)
    _model(sheet, training)
    sheet.put(dataset_name="data", dataset_train_split="train")
    if training.validation:
        sheet.put(dataset_test_split="validation")
    _method(sheet, training)
    learned(sheet, training, objective)
    ways = {name: way for name, way in TRL.items() if objective == "sft" or name != "packing"}
    if params.get("max_grad_norm") is None:
        ways.pop("max_grad_norm")
    sheet.fill(ways)
    warmup(sheet, training)
    if params.get("method") == "galore":
        sheet.put(optim_target_modules="all-linear", optim_args=galore(sheet))
    if training.loss == "kto":
        # Its baseline pairs each row with its neighbour, so that the order is fixed.
        sheet.put(train_sampling_strategy="sequential")
    evaluation(sheet, validated=bool(training.validation))
    checkpoints(sheet)
    sheet.put(output_dir="output", push_to_hub=False, use_cpu=training.on_cpu)
    if training.compares:
        sheet.get("packing")
    gap_shares(sheet)
    told_end(sheet, training)
    behind_the_end(sheet, training)
    found = spread(sheet)
    more = deepspeed(sheet, found)
    text = script(sheet, training, command_of(training).upper())
    sheet.close()
    heading = f"{training.step.title}: for `trl {objective}`, with every value of the plan."
    files = {
        "trl.yaml": as_yaml(sheet.settings, heading),
        **more,
        **data_files(training),
    }
    launch = "" if found.devices == 1 else f" --num_processes {found.devices}"
    command = f"trl {objective} --config trl.yaml{launch}"
    if found.way == "fsdp":
        command += " --accelerate_config fsdp2"
    if text:
        files["train.py"] = text
        start = f"torchrun {found.torchrun}" if found.devices > 1 else "python"
        command = f"{start} train.py --config trl.yaml"
        if found.way == "fsdp":
            command = f"accelerate launch --config_file fsdp2.yaml {launch.strip()} train.py --config trl.yaml"
            because = "The script is started by accelerate with a file of its own for FSDP, which is not written."
            sheet.unsaid("distribution", because, "Take fsdp2.yaml from trl's folder accelerate_configs.")
    return Rendered(files, command, (*training.findings, *sheet.findings))


def _model(sheet: Sheet, training: Training) -> None:
    base = training.base
    sheet.put(model_name_or_path=base.name)
    if base.revision:
        sheet.put(model_revision=base.revision)
    method = sheet.get("method")
    dtype = sheet.get("base_dtype")
    # What trains is fp32 in the plan's own training; an adapter is made so by peft, whatever the base is.
    whole = method in ("full", "partial", "bitfit") and sheet.params.get("precision") != "fp32"
    sheet.put(dtype="float32" if whole else DTYPES.get(dtype, "auto"), trust_remote_code=False)
    if whole and dtype != "fp32":
        fp32_instead(sheet, str(dtype))
    sheet.fill({"attention": ("attn_implementation", ATTENTION)})


def _method(sheet: Sheet, training: Training) -> None:
    method, bits = training.params.get("method"), sheet.get("base_quantization")
    # IA3 and soft prompts come from the script.
    sheet.put(use_peft=method in LOW_RANK and training.base.adapter is None)
    if method not in LOW_RANK:
        return
    sheet.fill(LORA)
    targets = sheet.get("targets")
    sheet.put(lora_target_modules=[targets] if isinstance(targets, str) else targets)
    sheet.put(use_rslora=sheet.get("rank_scaling") == "rslora", use_dora=method == "dora")
    sheet.put(load_in_4bit=bits in ("nf4", "fp4"), load_in_8bit=bits == "int8")
    if bits in ("nf4", "fp4"):
        sheet.put(bnb_4bit_quant_type=bits, use_bnb_nested_quant=True)


def learned(sheet: Sheet, training: Training, objective: str) -> None:
    """What the loss looks at; the rows are told apart and held out when they are written."""
    sheet.get("learn_turns")
    sheet.get("held_out")
    if training.compares:
        loss = sheet.get("preference_loss") and training.loss
        sheet.put(beta=sheet.get("preference_beta"), loss_type=loss if objective == "kto" else [training.loss])
        sheet.get("prompt_loss_weight")
        if objective == "kto":
            paired_otherwise(sheet)
            sheet.fill({"desirable_weight": "desirable_weight", "undesirable_weight": "undesirable_weight"})
            sheet.get("label_smoothing")
        else:
            sheet.fill({"label_smoothing": "label_smoothing"})
            paired_only(sheet)
    elif training.params.get("objective") == "continued-pretraining":
        sheet.get("prompt_loss_weight")
        sheet.put(dataset_text_field="text")
        if training.params.get("packing"):
            sheet.put(packing_strategy="bfd_split")
            if training.params.get("attention") != "flash":
                because = f"Texts that share a sequence see each other in {sheet.tool} without flash attention."
                sheet.unsaid("packing", because, "Set attn_implementation to flash_attention_2 where there is a GPU.")
    else:
        prompt_loss(sheet, "completion_only_loss", inverted=True)
        sheet.put(assistant_only_loss=False)


def command_of(training: Training) -> str:
    """The command of `trl` that trains so."""
    if not training.compares:
        return "sft"
    return "kto" if training.loss in SINGLE_ANSWERS else "dpo"


def fp32_instead(sheet: Sheet, dtype: str) -> None:
    """Whole models are held in fp32, of which the plan keeps only what trains."""
    because = f"{sheet.tool} holds and writes the whole model in fp32; the plan writes it in {dtype}."
    sheet.unsaid("base_dtype", because, "Convert the result, or give more memory.", severity="note")


def paired_only(sheet: Sheet) -> None:
    """Weights of single answers, which a loss on two has not: they are 1 in the plan."""
    sheet.get("desirable_weight")
    sheet.get("undesirable_weight")


def data_files(training: Training) -> dict[str, str]:
    """The rows of a training, as a folder that `datasets` reads with its splits."""
    sets = {"train": training.train, "validation": training.validation}
    return {f"data/{name}.jsonl": jsonl(_record(row) for row in rows) for name, rows in sets.items() if rows}


def _record(row: Told) -> dict[str, Any]:
    """A row in the shapes of trl: text, prompt and completion, or a comparison; as turns where there is a template."""
    if not row.turns and row.plain is None:
        return {"text": row.answer}
    if row.plain is not None:
        request: Any = row.plain
        # A space belongs to the answer, as the plan's own training has it.
        answers: list[Any] = [row.continued, *([f" {row.worse}"] if row.worse is not None else [])]
    else:
        request = list(row.turns)
        answers = [[assistant(text)] for text in (row.answer, row.worse) if text is not None]
    if row.good is not None:
        return {"prompt": request, "completion": answers[0], "label": row.good}
    if row.worse is None:
        return {"prompt": request, "completion": answers[0]}
    return {"prompt": request, "chosen": answers[0], "rejected": answers[1]}
