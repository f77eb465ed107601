"""Axolotl: one YAML file; names are those of its schemas [axolotl-docs]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.export.rendered import Rendered, as_yaml, refuse, refuse_head, refuse_loss, told_end
from executors.export.rows import assistant, jsonl
from executors.export.sheet import Sheet
from executors.export.spreading import deepspeed, spread
from executors.export.stretching import as_overrides
from executors.export.trl import PAIRED, paired_only
from executors.export.trl_script import LOW_RANK
from executors.export.words import (
    ATTENTION,
    KEPT,
    SCHEDULES,
    all_embeddings,
    alpha,
    checkpoints,
    galore,
    gap_shares,
    prompt_loss,
    started,
    steps_per_epoch,
    warmup,
)
from executors.train.optimizers import NAMES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.export.rows import Told
    from executors.export.sheet import Way
    from executors.export.trainings import Training

METHODS = ("full", "partial", "bitfit", "galore", *LOW_RANK)
# Names that blocks have in the architectures of transformers; in these patterns a dot without a plus is a dot.
BLOCKS = "(layers|h|blocks|layer)"


def _precision(sheet: Sheet, value: str) -> None:
    sheet.put(bf16=value == "bf16", fp16=value == "fp16", tf32=False)


FSDP = {
    "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
    "offload_params": False,
    "reshard_after_forward": True,
    "state_dict_type": "FULL_STATE_DICT",
}
AXOLOTL: Mapping[str, Way] = {
    "max_length": "sequence_len",
    "packing": "sample_packing",
    "length_grouped": "group_by_length",
    "micro_batch": "micro_batch_size",
    "accumulation": "gradient_accumulation_steps",
    "epochs": "num_epochs",
    "optimizer": ("optimizer", NAMES),
    "schedule": ("lr_scheduler", SCHEDULES),
    "learning_rate": "learning_rate",
    "weight_decay": "weight_decay",
    "beta1": "adam_beta1",
    "beta2": "adam_beta2",
    "max_grad_norm": "max_grad_norm",
    "precision": _precision,
    "attention": ("attn_implementation", ATTENTION),
    "gradient_checkpointing": "gradient_checkpointing",
    "seed": "seed",
}
LORA: Mapping[str, Way] = {
    "rank": "lora_r",
    "alpha": alpha,
    "dropout": "lora_dropout",
    "rank_scaling": ("peft_use_rslora", {"classic": False, "rslora": True}),
    "initialisation": lambda sheet, _: sheet.put(peft_init_lora_weights=started(sheet)),
}


def render(training: Training) -> Rendered:
    """The training for Axolotl.

    Raises:
        InputError: Axolotl has no such method.
    """
    refuse_head(training, "Axolotl")
    refuse(training, "Axolotl", METHODS)
    refuse_loss(training, "Axolotl", PAIRED)
    sheet = Sheet("Axolotl", training.step.address, training.params)
    if not training.base.chat:
        training = training.apart()
    sheet.get("objective")
    sheet.get("learn_turns")
    objective = training.shape
    sheet.put(base_model=training.base.name, trust_remote_code=False, strict=False)
    if training.base.revision:
        sheet.put(revision_of_model=training.base.revision)
    _method(sheet, training)
    if overrides := as_overrides(sheet, training):
        sheet.put(overrides_of_model_config=overrides)
    if training.gaps and training.gaps.added:
        sheet.put(tokens=list(training.gaps.marks))
        if "adapter" in sheet.settings:
            sheet.put(lora_modules_to_save=["embed_tokens", "lm_head"])
            all_embeddings(sheet)
    gap_shares(sheet)
    told_end(sheet, training)
    _data(sheet, training, objective)
    sheet.fill(AXOLOTL)
    warmup(sheet, training, "warmup_ratio")
    if sheet.get("liger_kernel") not in (None, "never"):
        because = "Liger's kernels are used in the plan where they are installed."
        fix = "Add the plugin axolotl.integrations.liger.LigerPlugin where they are; only speed differs."
        sheet.unsaid("liger_kernel", because, fix, severity="note")
    sheet.put(pad_to_sequence_len=False, excess_length_strategy="drop", eval_sample_packing=False)
    if objective == "sft":
        prompt_loss(sheet, "train_on_inputs")
    else:
        sheet.get("prompt_loss_weight")
    _evaluation(sheet, training)
    checkpoints(sheet)
    sheet.get("held_out")
    found = spread(sheet)
    more = deepspeed(sheet, found)
    if found.way == "fsdp":
        sheet.put(fsdp_version=2, fsdp_config=FSDP)
    sheet.put(output_dir="./output", dataset_prepared_path="./prepared", use_wandb=False)
    sheet.close()
    files = {
        "axolotl.yml": as_yaml(sheet.settings, f"{training.step.title}: for `axolotl train`, every value of the plan."),
        **more,
        **_rows("train", training.train),
        **_rows("validation", training.validation),
    }
    launch = "" if found.devices == 1 else f" --launcher torchrun -- {found.torchrun}"
    return Rendered(files, f"axolotl train axolotl.yml{launch}", (*training.findings, *sheet.findings))


def _method(sheet: Sheet, training: Training) -> None:
    method, dtype = str(sheet.get("method")), sheet.get("base_dtype")
    if method in ("full", "partial", "bitfit") and sheet.params.get("precision") in ("bf16", "fp16"):
        because = "The plan trains weights in fp32 under 16-bit products; Axolotl holds them in 16 bits."
        sheet.unsaid("base_dtype", because, "Small steps may be rounded away: raise the rate a little if loss stands.")
    elif dtype != sheet.params.get("precision"):
        because = f"The frozen weights are {dtype} in the plan; Axolotl loads them in the precision of the training."
        sheet.unsaid("base_dtype", because)
    if method == "partial":
        _last_layers(sheet, training)
    elif method == "bitfit":
        sheet.put(unfrozen_parameters=["^.+.bias$"])
    elif method == "galore":
        sheet.put(optim_args=galore(sheet), optim_target_modules="all_linear")
    if method not in LOW_RANK:
        return
    bits = sheet.get("base_quantization")
    sheet.put(adapter="qlora" if bits in ("nf4", "fp4") else "lora")
    sheet.put(load_in_4bit=bits in ("nf4", "fp4"), load_in_8bit=bits == "int8")
    if bits in ("nf4", "fp4"):
        sheet.put(bnb_config_kwargs={"bnb_4bit_quant_type": bits, "bnb_4bit_use_double_quant": True})
    sheet.fill(LORA)
    targets = sheet.get("targets")
    sheet.put(**({"lora_target_linear": True} if targets == "all-linear" else {"lora_target_modules": targets}))
    sheet.put(peft_use_dora=method == "dora")
    ratio = sheet.get("rate_ratio") or 1.0
    if ratio > 1:
        sheet.put(loraplus_lr_ratio=ratio)
    if training.base.adapter:
        sheet.put(lora_model_dir=training.base.adapter)


def _last_layers(sheet: Sheet, training: Training) -> None:
    wanted, count = int(sheet.get("layers_trained")), training.base.layers
    if count is None:
        because = "How many blocks the model has is not known, so the last ones cannot be named."
        sheet.get("modules_trained")
        sheet.unsaid("layers_trained", because, "Add `unfrozen_parameters` with the blocks that shall be trained.")
        return
    numbers, modules = "|".join(str(number) for number in range(count - wanted, count)), sheet.get("modules_trained")
    named = "" if modules in (None, "all") else f"(.+.)?({'|'.join(modules)})."
    sheet.put(unfrozen_parameters=[f"^.+.{BLOCKS}.({numbers}).{named}"])


def _data(sheet: Sheet, training: Training, objective: str) -> None:
    if objective == "preference":
        sheet.get("preference_loss")
        sheet.put(rl="dpo", rl_beta=sheet.get("preference_beta"), dpo_loss_type=[training.loss])
        sheet.fill({"label_smoothing": "dpo_label_smoothing"})
        paired_only(sheet)
    if training.base.chat and objective != "continued-pretraining":
        sheet.put(chat_template="tokenizer_default")

    # Comparisons are read by the file's ending alone.
    form = {} if objective == "preference" else {"ds_type": "json"}

    def dataset(name: str) -> dict[str, Any]:
        return {"path": f"{name}.jsonl", **form, "split": "train", **_kind(training, objective)}

    sheet.put(datasets=[dataset("train")])
    if training.validation:
        sheet.put(test_datasets=[dataset("validation")])
    else:
        sheet.put(val_set_size=0.0)


def _kind(training: Training, objective: str) -> dict[str, Any]:
    """How Axolotl reads a row."""
    if objective == "continued-pretraining":
        return {"type": "completion", "field": "text"}
    if objective == "preference":
        if not training.base.chat:
            fields = {"field_prompt": "prompt", "field_chosen": "chosen", "field_rejected": "rejected"}
            plain = {"prompt_format": "{prompt}", "chosen_format": "{chosen}", "rejected_format": "{rejected}"}
            return {"type": {**fields, **plain}}
        return {"type": "chat_template.default", "field_messages": "messages"}
    if not training.base.chat:
        form = {"format": "{instruction}", "no_input_format": "{instruction}", "system_format": "{system}"}
        return {"type": {"field_instruction": "prompt", "field_output": "completion", "system_prompt": "", **form}}
    return {
        "type": "chat_template",
        "field_messages": "messages",
        "message_property_mappings": {"role": "role", "content": "content"},
        # Examples are read, not learned, and so are earlier answers unless the plan learns them all.
        "message_field_training": "train",
        "roles_to_train": [],
        "train_on_eos": "turn",
    }


def _evaluation(sheet: Sheet, training: Training) -> None:
    times, patience = sheet.get("evaluations_per_epoch") or 0, sheet.get("early_stopping_patience")
    sheet.put(logging_steps=10, save_total_limit=KEPT)
    if not (training.validation and times):
        sheet.put(saves_per_epoch=1)
        return
    if patience is None:
        sheet.put(evals_per_epoch=times, saves_per_epoch=times)
    else:
        # Early stopping is refused without a number of steps.
        steps = max(1, steps_per_epoch(len(training.train), training.params) // times)
        sheet.put(eval_steps=steps, save_steps=steps, early_stopping_patience=patience)
    sheet.put(load_best_model_at_end=True, metric_for_best_model="eval_loss", greater_is_better=False)


def _rows(name: str, rows: Sequence[Told]) -> dict[str, str]:
    return {f"{name}.jsonl": jsonl(_record(row) for row in rows)} if rows else {}


def _record(row: Told) -> dict[str, Any]:
    if not row.turns and row.plain is None:
        return {"text": row.answer}
    if row.plain is not None:
        if row.worse is None:
            return {"prompt": row.plain, "completion": row.continued}
        return {"prompt": row.plain, "chosen": f" {row.answer}", "rejected": f" {row.worse}"}
    if row.worse is not None:
        return {"messages": list(row.turns), "chosen": assistant(row.answer), "rejected": assistant(row.worse)}
    before = [{**turn, "train": row.learns(at)} for at, turn in enumerate(row.turns)]
    return {"messages": [*before, {**assistant(row.answer), "train": True}]}
