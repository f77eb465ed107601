"""LLaMA-Factory: a YAML file, the rows, and the file that describes them; names are those of its argument classes.

[llama-factory-docs]
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.export.rendered import Rendered, as_yaml, refuse, refuse_head, refuse_loss
from executors.export.rows import assistant, jsonl
from executors.export.sheet import Sheet
from executors.export.spreading import deepspeed, spread
from executors.export.stretching import by_length
from executors.export.trainings import PAIRS
from executors.export.trl import fp32_instead, paired_only
from executors.export.trl_script import LOW_RANK
from executors.export.words import (
    TRAINING,
    all_embeddings,
    alpha,
    behind_the_end,
    checkpoints,
    evaluation,
    gap_shares,
    liger,
    paired_otherwise,
    prompt_loss,
    warmup,
)
from executors.train.optimizers import GALORE
from planner.documents import InputError, pretty_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.export.rows import Told
    from executors.export.sheet import Way
    from executors.export.trainings import Training

METHODS = ("full", "partial", "galore", "longlora", *LOW_RANK)
# Whole layers that LongLoRA trains beside the adapter, by the names of Llama [chen-2023-longlora].
BESIDE = "embed_tokens,input_layernorm,post_attention_layernorm,norm"
STAGES = {"sft": "sft", "continued-pretraining": "pt", "preference": "dpo"}
LOSSES = ("sigmoid", "hinge", "ipo", "orpo", "kto")
KINDS = {"partial": "freeze", "full": "full", "galore": "full"}


def _grouped(sheet: Sheet, value: bool) -> None:  # noqa: FBT001 - a parameter's value
    if value:
        because = "Rows of like length share a batch in the plan; the versions of transformers name that differently."
        fix = "Set `group_by_length` below transformers 5, `train_sampling_strategy` from there on; only speed differs."
        sheet.unsaid("length_grouped", because, fix, severity="note")


def _length(sheet: Sheet, value: int) -> None:
    sheet.put(cutoff_len=value)
    because = f"LLaMA-Factory cuts rows above {value} tokens; the plan's own training drops them whole."
    sheet.unsaid("max_length", because, severity="note")


def _packed(sheet: Sheet, value: bool) -> None:  # noqa: FBT001 - a parameter's value
    # Neat packing keeps rows that share a sequence from seeing each other, as ours does; it is for pairs alone.
    neat = value and sheet.params.get("objective") in PAIRS
    sheet.put(packing=value, neat_packing=neat)
    if value and not neat:
        sheet.unsaid("packing", "Texts that share a sequence see each other in LLaMA-Factory; in the plan they do not.")


LLAMA_FACTORY: Mapping[str, Way] = {
    **{name: way for name, way in TRAINING.items() if name != "optimizer"},
    "max_length": _length,
    "packing": _packed,
    "length_grouped": _grouped,
    "liger_kernel": lambda sheet, value: liger(sheet, value, "enable_liger_kernel"),
    "attention": ("flash_attn", {"sdpa": "sdpa", "eager": "disabled", "flash": "fa2"}),
}
LORA: Mapping[str, Way] = {"dropout": "lora_dropout", "rank": "lora_rank", "alpha": alpha}


def render(training: Training) -> Rendered:
    """The training for LLaMA-Factory.

    Raises:
        InputError: LLaMA-Factory has no such method.
    """
    refuse_head(training, "LLaMA-Factory")
    refuse(training, "LLaMA-Factory", METHODS)
    refuse_loss(training, "LLaMA-Factory", LOSSES)
    sheet, base = Sheet("LLaMA-Factory", training.step.address, training.params), training.base
    if not base.chat:
        training = training.apart()
    sheet.get("objective")
    objective = training.shape
    sheet.put(model_name_or_path=base.name, model_revision=base.revision or "main", trust_remote_code=False)
    sheet.put(stage="kto" if training.loss == "kto" else STAGES[objective], do_train=True)
    _method(sheet, training)
    _changed_base(sheet, training)
    _template(sheet, training, objective)
    sheet.put(dataset="train", dataset_dir=".", overwrite_cache=True)
    if training.validation:
        sheet.put(eval_dataset="validation")
    if objective == "sft":
        prompt_loss(sheet, "train_on_prompt")
        sheet.put(mask_history=not sheet.settings["train_on_prompt"] and not _every_answer(sheet, training))
    elif objective == "preference":
        _preferences(sheet, training)
    else:
        sheet.get("prompt_loss_weight")
    sheet.fill(LLAMA_FACTORY)
    if objective == "preference":
        sheet.settings["packing"] = sheet.settings["neat_packing"] = False
    _optimizer(sheet)
    warmup(sheet, training, None)
    sheet.put(disable_gradient_checkpointing=not sheet.get("gradient_checkpointing"))
    evaluation(sheet, validated=bool(training.validation))
    patience = sheet.get("early_stopping_patience")
    if patience is not None:
        sheet.put(early_stopping_steps=patience)
    behind_the_end(sheet, training)
    checkpoints(sheet)
    sheet.get("held_out")
    found = spread(sheet)
    more = deepspeed(sheet, found)
    if found.way == "fsdp":
        because = "The plan shares weights out by FSDP, which LLaMA-Factory takes from a file of accelerate."
        sheet.unsaid("distribution", because, "Start it with `accelerate launch --config_file` and such a file.")
    sheet.put(output_dir="output", overwrite_output_dir=False, plot_loss=False, use_cpu=training.on_cpu)
    sheet.close()
    heading = f"{training.step.title}: for `llamafactory-cli train`, with every value of the plan."
    files = {
        "llama_factory.yaml": as_yaml(sheet.settings, heading),
        "dataset_info.json": pretty_json(_described(training, objective)),
        **more,
        **_rows("train", training.train),
        **_rows("validation", training.validation),
    }
    several = f"FORCE_TORCHRUN=1 NPROC_PER_NODE={found.each} NNODES={found.nodes} " if found.devices > 1 else ""
    return Rendered(files, f"{several}llamafactory-cli train llama_factory.yaml", (*training.findings, *sheet.findings))


def _every_answer(sheet: Sheet, training: Training) -> bool:
    """Whether all answers of a conversation are learned, which are rows of their own where there is no template."""
    every = sheet.get("learn_turns") == "all" and training.base.chat
    if every and any(turn["role"] == "assistant" for row in training.train for turn in row.turns[: row.learned_from]):
        because = "LLaMA-Factory learns the answers of the prompt's examples with those of the conversations."
        sheet.unsaid("learn_turns", because, "Take the examples out of the rows where they differ from your answers.")
    return every


def _preferences(sheet: Sheet, training: Training) -> None:
    sheet.get("prompt_loss_weight")
    sheet.get("preference_loss")
    sheet.put(pref_beta=sheet.get("preference_beta"))
    if training.loss == "kto":
        paired_otherwise(sheet)
        sheet.fill({"desirable_weight": "kto_chosen_weight", "undesirable_weight": "kto_rejected_weight"})
        sheet.get("label_smoothing")
        return
    sheet.put(pref_loss=training.loss)
    sheet.fill({"label_smoothing": "dpo_label_smoothing"})
    paired_only(sheet)


def _changed_base(sheet: Sheet, training: Training) -> None:
    """Stretched positions and new tokens."""
    sheet.put(**by_length(sheet, training))
    if training.gaps and training.gaps.added:
        if bits := training.params.get("base_quantization"):
            message = f"{training.step.address} adds tokens to a base in {bits}, which LLaMA-Factory cannot resize."
            raise InputError.one("EXPORT002", message)
        sheet.put(add_special_tokens=",".join(training.gaps.marks), resize_vocab=True)
        if training.params["method"] in LOW_RANK:
            all_embeddings(sheet)
    gap_shares(sheet)


def _method(sheet: Sheet, training: Training) -> None:
    method = str(sheet.get("method"))
    sheet.put(finetuning_type=KINDS.get(method, "lora"))
    if method == "longlora":
        sheet.put(shift_attn=True, additional_target=BESIDE)
        because = "LLaMA-Factory has shifted attention for models of the kind Llama alone."
        sheet.unsaid("method", because, "Take lora for others.", severity="note")
    elif method not in LOW_RANK:
        _weights(sheet, method)
        return
    targets, bits = sheet.get("targets"), sheet.get("base_quantization")
    sheet.fill(LORA)
    sheet.put(lora_target="all" if targets == "all-linear" else ",".join(targets))
    sheet.put(use_dora=method == "dora", use_rslora=sheet.get("rank_scaling") == "rslora")
    _start(sheet, training)
    ratio = sheet.get("rate_ratio") or 1.0
    if ratio > 1:
        sheet.put(loraplus_lr_ratio=ratio)
    if bits:
        sheet.put(quantization_method="bnb", quantization_bit=8 if bits == "int8" else 4)
    if bits in ("nf4", "fp4"):
        sheet.put(quantization_type=bits, double_quantization=True)
    dtype = sheet.get("base_dtype")
    if dtype != sheet.params.get("precision"):
        because = f"The frozen weights are {dtype} in the plan; LLaMA-Factory loads them in the training's precision."
        sheet.unsaid("base_dtype", because)
    if training.base.adapter:
        sheet.put(adapter_name_or_path=training.base.adapter, create_new_adapter=False)


def _weights(sheet: Sheet, method: str) -> None:
    """What is said of methods that train the base's own weights."""
    if method == "partial":
        modules = sheet.get("modules_trained") or "all"
        names = modules if modules == "all" else ",".join(modules)
        sheet.put(freeze_trainable_layers=sheet.get("layers_trained"), freeze_trainable_modules=names)
        if modules != "all":
            because = "LLaMA-Factory finds a module by the first name under its block, such as self_attn or mlp."
            sheet.unsaid("modules_trained", because, "Name the module around it where it does not find one.")
    dtype = str(sheet.get("base_dtype"))
    if method == "galore":
        # It trains in the base's own precision.
        sheet.put(pure_bf16=dtype == "bf16")
    elif dtype != "fp32" and sheet.params.get("precision") != "fp32":
        fp32_instead(sheet, dtype)


def _start(sheet: Sheet, training: Training) -> None:
    start = sheet.get("initialisation")
    # It changes the weights that a reference model shares, and those that ZeRO-3 holds in parts.
    parts = training.params.get("distribution") == "zero-3" or training.params.get("offload") == "parameters"
    sheet.put(pissa_init=start == "pissa" and training.loss in (None, "orpo") and not parts)
    if sheet.settings["pissa_init"]:
        sheet.put(pissa_iter=-1, pissa_convert=True)
    elif start not in (None, "zero-output"):
        because = f"The adapter starts from {start} in the plan; LLaMA-Factory starts it without effect."
        sheet.unsaid("initialisation", because, "Run it with adapt, or export it to trl, where that matters.")


def _optimizer(sheet: Sheet) -> None:
    if sheet.get("optimizer") == "galore-adamw":
        sheet.put(use_galore=True, galore_rank=sheet.get("rank"), galore_target="all")
        sheet.put(galore_update_interval=GALORE["update_proj_gap"], galore_scale=GALORE["scale"])
        sheet.put(galore_proj_type=GALORE["proj_type"], galore_layerwise=False, optim="adamw_torch")
    else:
        sheet.fill({"optimizer": TRAINING["optimizer"]})


def _template(sheet: Sheet, training: Training, objective: str) -> None:
    """Without a name its template is read from the tokenizer; models without one are asked in plain text."""
    if objective == "continued-pretraining":
        sheet.put(template="empty")
    elif training.base.chat:
        sheet.put(template=None)
    else:
        sheet.put(template="empty")
        if training.gaps:
            # The rows hold their ends.
            return
        because = "The template `empty` of LLaMA-Factory writes no end token after an answer, so it is not learned."
        sheet.unsaid("prompt", because, "Add the model's end token to every answer in the rows.")


def _described(training: Training, objective: str) -> dict[str, Any]:
    judged = training.loss == "kto"
    ranking = objective == "preference" and not judged
    if objective == "continued-pretraining":
        form: dict[str, Any] = {"formatting": "alpaca", "columns": {"prompt": "text"}}
    elif training.base.chat:
        tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
        columns = {"messages": "messages"} | ({"chosen": "chosen", "rejected": "rejected"} if ranking else {})
        columns |= {"kto_tag": "label"} if judged else {}
        form = {"formatting": "sharegpt", "columns": columns, "tags": {**tags, "system_tag": "system"}}
    else:
        columns = {"prompt": "prompt"} | (
            {"chosen": "chosen", "rejected": "rejected"} if ranking else {"response": "completion"}
        )
        form = {"formatting": "alpaca", "columns": columns | ({"kto_tag": "label"} if judged else {})}
    form["ranking"] = ranking
    names = ["train", *(["validation"] if training.validation else [])]
    return {name: {"file_name": f"{name}.jsonl", **form} for name in names}


def _rows(name: str, rows: Sequence[Told]) -> dict[str, str]:
    return {f"{name}.jsonl": jsonl(_record(row) for row in rows)} if rows else {}


def _record(row: Told) -> dict[str, Any]:
    if not row.turns and row.plain is None:
        return {"text": row.answer}
    if row.worse is not None:
        request = {"prompt": row.plain} if row.plain is not None else {"messages": list(row.turns)}
        plain = row.plain is not None
        answers = (row.answer, row.worse)
        chosen, rejected = (f" {text}" if plain else assistant(text) for text in answers)
        return {**request, "chosen": chosen, "rejected": rejected}
    label = {} if row.good is None else {"label": row.good}
    if row.plain is not None:
        return {"prompt": row.plain, "completion": row.continued, **label}
    return {"messages": [*row.turns, assistant(row.answer)], **label}
