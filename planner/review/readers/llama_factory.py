"""LLaMA-Factory's YAML and JSON files: training, and the export of a merged or quantized model.

Defaults are those of its argument classes [llama-factory-docs].
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.review.readers.reading import attention_word, fsdp_offload, zero_stage

if TYPE_CHECKING:
    from planner.review.readers.reading import Reading

OWN = frozenset(
    {
        "stage", "finetuning_type", "template", "cutoff_len", "lora_rank", "lora_target", "dataset_dir",
        "quantization_bit", "quantization_method", "pref_beta", "pref_loss", "export_dir", "export_size",
        "export_quantization_bit", "export_quantization_dataset", "export_legacy_format", "adapter_name_or_path",
        "max_samples", "neat_packing", "train_on_prompt", "mask_history", "flash_attn", "pure_bf16", "plot_loss",
        "overwrite_cache", "freeze_trainable_layers", "oft_block_size", "disable_gradient_checkpointing", "val_size",
        "use_galore", "create_new_adapter", "infer_backend", "use_unsloth", "enable_liger_kernel",
    }
)  # fmt: skip
SHARED = frozenset(
    {
        "model_name_or_path", "dataset", "per_device_train_batch_size", "num_train_epochs",
        "gradient_accumulation_steps", "learning_rate", "lr_scheduler_type", "warmup_ratio", "output_dir", "bf16",
        "fp16", "save_steps", "trust_remote_code", "do_train",
    }
)  # fmt: skip
SECTIONS = ()
_OBJECTIVES = {
    "pt": "continued-pretraining", "sft": "sft", "rm": "reward", "ppo": "reinforcement", "dpo": "preference",
    "kto": "kto",
}  # fmt: skip
_TRAINING = ("learning_rate", "num_train_epochs", "per_device_train_batch_size", "max_steps", "stage")
_NOT_TRAINING = ("export_dir", "do_predict", "predict_with_generate", "infer_backend", "task")


def read(reading: Reading) -> None:
    """Take every setting that the file states, and the defaults that matter."""
    trains = reading.raw("do_train") is True or (
        reading.raw("do_train") is None and reading.has(*_TRAINING) and not reading.has(*_NOT_TRAINING)
    )
    reading.put("training", trains, "do_train", stated=reading.has("do_train"))
    reading.take("base_model", "model_name_or_path")
    reading.take("adapter_path", "adapter_name_or_path")
    reading.take("trust_remote_code", "trust_remote_code", default=False)
    reading.take("chat_template", "template")
    _quantization(reading)
    if not trains:
        _export(reading)
        return
    stage = reading.take("objective", "stage", default="sft")
    reading.put("objective", _OBJECTIVES.get(str(stage)), "stage", stated=reading.has("stage"))
    if stage in ("dpo", "kto"):
        reading.take("preference_beta", "pref_beta", default=0.1)
        reading.take("preference_loss", "pref_loss", default="sigmoid" if stage == "dpo" else "kto")
    _method(reading)
    _numbers(reading)
    _precision(reading)
    _data(reading, str(stage))
    reading.take("output_dir", "output_dir")
    reading.take("save_safetensors", "save_safetensors", default=True)
    _steps(reading)


def _quantization(reading: Reading) -> None:
    bits = reading.raw("quantization_bit")
    stated = bits is not None
    for name, size in (("load_in_4bit", 4), ("load_in_8bit", 8)):
        reading.put(name, bits == size, "quantization_bit", stated=stated)


def _export(reading: Reading) -> None:
    """A file that merges an adapter, or quantizes, and writes a model."""
    if not reading.has("export_dir"):
        return
    reading.put("output_dir", reading.raw("export_dir"), "export_dir")
    reading.put("export", reading.has("adapter_name_or_path"), "adapter_name_or_path")
    reading.take("export_bits", "export_quantization_bit")
    legacy = reading.raw("export_legacy_format")
    reading.put("save_safetensors", legacy is not True, "export_legacy_format", stated=legacy is not None)


def _method(reading: Reading) -> None:
    kind = str(reading.raw("finetuning_type") or "lora")
    four, eight = (reading.got(f"load_in_{bits}bit") is True for bits in (4, 8))
    method = {"lora": "qlora" if four else "lora-8bit" if eight else "lora", "freeze": "partial"}.get(kind, kind)
    if kind == "full" and (reading.raw("use_galore") is True or reading.raw("use_apollo") is True):
        method = "galore"
    if kind == "full" and reading.raw("use_badam") is True:
        method = "partial"
    reading.put("method", method, "finetuning_type", stated=reading.has("finetuning_type"))
    if kind == "freeze":
        layers = reading.raw("freeze_trainable_layers")
        layers = layers if isinstance(layers, int) and not isinstance(layers, bool) else 2
        reading.put("layers_trained", abs(layers), "freeze_trainable_layers")
    lora = kind == "lora"
    rank = reading.take("rank", "lora_rank", default=8 if lora else None)
    twice = 2 * rank if lora and isinstance(rank, int | float) else None
    reading.take("alpha", "lora_alpha", default=twice)
    reading.take("adapter_dropout", "lora_dropout", default=0.0 if lora else None)
    targets = reading.take("targets", "lora_target", default=["all"] if lora else None)
    if targets == ["all"]:
        reading.put("targets", ["all-linear"], "lora_target", stated=reading.has("lora_target"))
    reading.take("modules_to_save", "additional_target")
    reading.take("dora", "use_dora", default=False)
    reading.put("rank_scaling", "rslora" if reading.raw("use_rslora") is True else "classic", "use_rslora")


def _numbers(reading: Reading) -> None:
    reading.take("learning_rate", "learning_rate", default=5e-5)
    reading.take("epochs", "num_train_epochs", default=3.0)
    steps = reading.take("max_steps", "max_steps")
    if isinstance(steps, int | float) and steps <= 0:
        reading.settings.pop("max_steps", None)
    reading.take("micro_batch", "per_device_train_batch_size", default=8)
    reading.take("accumulation", "gradient_accumulation_steps", default=1)
    reading.take("schedule", "lr_scheduler_type", default="linear")
    reading.take("warmup_ratio", "warmup_ratio", default=0.0)
    reading.take("warmup_steps", "warmup_steps")
    reading.same("warmup", "warmup_steps", "warmup_ratio")
    reading.take("weight_decay", "weight_decay", default=0.0)
    reading.take("beta2", "adam_beta2", default=0.999)
    if reading.raw("use_muon") is True:
        reading.put("optimizer", "muon", "use_muon")
    else:
        reading.take("optimizer", "optim", default="adamw_torch_fused")


def _precision(reading: Reading) -> None:
    reading.take("fp16", "fp16", default=False)
    pure = reading.raw("pure_bf16") is True
    if pure and not reading.has("bf16"):
        reading.put("bf16", value=True, key="pure_bf16")
    else:
        reading.take("bf16", "bf16", default=False)
    # Trained weights are made fp32 unless `pure_bf16` says otherwise; frozen ones take the half precision.
    full = reading.got("method") in ("full", "partial")
    half = "bf16" if reading.got("bf16") else "fp16" if reading.got("fp16") else None
    dtype = "bf16" if pure else "fp32" if full and half else half
    if half or pure:
        reading.put("base_dtype", dtype, "pure_bf16", stated=False)
    off = reading.raw("disable_gradient_checkpointing")
    stated = reading.has("disable_gradient_checkpointing")
    key = "disable_gradient_checkpointing" if stated else "gradient_checkpointing"
    on = off is not True and reading.raw("gradient_checkpointing") is not False
    reading.put("gradient_checkpointing", on, key, stated=stated or reading.has(key))
    reading.take("use_cache", "use_cache")
    kernel = reading.raw("flash_attn")
    reading.put("attention", attention_word(kernel) if kernel else None, "flash_attn")
    fused = reading.raw("enable_liger_kernel") is True or reading.raw("use_unsloth") is True
    reading.put("fused_loss", fused, "enable_liger_kernel", stated=reading.has("enable_liger_kernel"))
    if reading.has("deepspeed"):
        stage, offload = zero_stage(reading.raw("deepspeed"))
        reading.put("distribution", stage, "deepspeed")
        reading.put("offload", offload, "deepspeed")
    elif reading.raw("fsdp") not in (None, "", [], False):
        reading.put("distribution", "fsdp", "fsdp")
        reading.put("offload", fsdp_offload(reading.raw("fsdp_config")), "fsdp")
    elif reading.raw("use_kt") is True:
        # KTransformers keeps the experts in host memory, by a file that is not this one.
        reading.put("offload", "parameters", "use_kt")


def _named(raw: Any) -> list[str]:
    items = raw.split(",") if isinstance(raw, str) else raw if isinstance(raw, list) else []
    return [str(item).strip() for item in items if str(item).strip()]


def _data(reading: Reading, stage: str) -> None:
    train, tests = _named(reading.raw("dataset")), _named(reading.raw("eval_dataset"))
    reading.put("datasets", [f"{name}@train" for name in train] or None, "dataset")
    reading.put("eval_datasets", [f"{name}@train" for name in tests] or None, "eval_dataset")
    size = reading.take("validation_size", "val_size", default=0.0)
    key = "eval_dataset" if tests else "val_size"
    reading.put("evaluation", bool(tests) or bool(size), key, stated=reading.has(key))
    reading.take("max_samples", "max_samples")
    reading.take("max_length", "cutoff_len", default=2048)
    neat = reading.raw("neat_packing") is True
    if neat:
        reading.put("packing", value=True, key="neat_packing")
    else:
        reading.take("packing", "packing", default=stage == "pt")
    packed = reading.got("packing")
    reading.put("packing_masked", neat if packed else None, "neat_packing" if neat else "packing")
    reading.take("train_on_prompt", "train_on_prompt", default=False)
    reading.put("dataset_format", "text" if stage == "pt" else "chat", "stage", stated=False)


def _steps(reading: Reading) -> None:
    if str(reading.raw("save_strategy") or "steps") == "steps":
        reading.take("save_steps", "save_steps")
    if str(reading.raw("eval_strategy") or "no") == "steps":
        reading.take("eval_steps", "eval_steps")
    resume = reading.raw("resume_from_checkpoint")
    reading.put("resume", resume if isinstance(resume, str) else None, "resume_from_checkpoint")
