"""Axolotl's YAML files. Defaults are those of its schemas [axolotl-docs]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.review.readers.reading import attention_word, fsdp_offload, zero_stage

if TYPE_CHECKING:
    from planner.review.readers.reading import Reading

OWN = frozenset(
    {
        "base_model", "sequence_len", "micro_batch_size", "num_epochs", "sample_packing", "val_set_size", "adapter",
        "lora_model_dir", "lora_target_linear", "train_on_inputs", "dataset_prepared_path", "pad_to_sequence_len",
        "flash_attention", "sdp_attention", "xformers_attention", "evals_per_epoch", "saves_per_epoch",
        "special_tokens", "eval_sample_packing", "base_model_config", "rl", "peft_use_rslora", "peft_use_dora",
        "test_datasets", "pretraining_dataset", "unfrozen_parameters", "tokenizer_type", "model_type", "strict",
        "plugins", "group_by_length",
    }
)  # fmt: skip
SHARED = frozenset(
    {
        "datasets", "gradient_accumulation_steps", "learning_rate", "optimizer", "lr_scheduler", "lora_r", "lora_alpha",
        "lora_dropout", "load_in_8bit", "load_in_4bit", "bf16", "fp16", "gradient_checkpointing", "output_dir",
        "warmup_steps", "warmup_ratio", "weight_decay", "chat_template", "trust_remote_code", "attn_implementation",
        "max_steps",
    }
)  # fmt: skip
SECTIONS = ()
_OBJECTIVES = {
    "dpo": "preference", "ipo": "preference", "orpo": "preference", "simpo": "preference", "kto": "kto",
    "grpo": "reinforcement",
}  # fmt: skip
_KERNELS = {
    "flash_attention": "flash", "sdp_attention": "sdpa", "xformers_attention": "xformers", "flex_attention": "flex",
    "sage_attention": "sage", "eager_attention": "eager", "s2_attention": "flash",
}  # fmt: skip
#: Attention that keeps packed rows apart.
_MASKING = frozenset({"flash", "sdpa", "xformers", "flex", "sage"})


def read(reading: Reading) -> None:
    """Take every setting that the file states, and the defaults that matter."""
    reading.put("training", value=True, key="learning_rate", stated=False)
    _objective(reading)
    reading.take("base_model", "base_model")
    reading.take("adapter_path", "lora_model_dir")
    reading.take("trust_remote_code", "trust_remote_code", default=False)
    _method(reading)
    _numbers(reading)
    _precision(reading)
    _data(reading)
    reading.take("output_dir", "output_dir", default="./model-out")
    reading.take("save_safetensors", "save_safetensors", default=True)
    for name in ("save_steps", "eval_steps"):
        steps = reading.raw(name)
        if isinstance(steps, int) and steps >= 1:
            reading.take(name, name)
    resume = reading.raw("resume_from_checkpoint")
    reading.put("resume", resume if isinstance(resume, str) else None, "resume_from_checkpoint")


def _datasets(reading: Reading, key: str = "datasets") -> list[dict[str, Any]]:
    raw = reading.raw(key)
    items = raw if isinstance(raw, list) else [raw] if isinstance(raw, dict | str) else []
    return [item if isinstance(item, dict) else {"path": item} for item in items if isinstance(item, dict | str)]


def _objective(reading: Reading) -> None:
    kinds = {str(item.get("type")).partition(".")[0].partition(":")[0] for item in _datasets(reading)}
    if reading.has("rl"):
        word = str(reading.raw("rl")).lower()
        reading.put("objective", _OBJECTIVES.get(word), "rl")
        if _OBJECTIVES.get(word) in ("preference", "kto"):
            reading.put("preference_loss", word, "rl")
            reading.take("preference_beta", "rl_beta", "dpo_beta", default=0.1)
    elif reading.raw("reward_model") is True:
        reading.put("objective", "reward", "reward_model")
    elif reading.has("pretraining_dataset") or (kinds and kinds <= {"completion", "pretrain"}):
        key = "pretraining_dataset" if reading.has("pretraining_dataset") else "datasets"
        reading.put("objective", "continued-pretraining", key)
    else:
        reading.put("objective", "sft", "datasets", stated=False)
    if kinds & {"completion", "pretrain"}:
        form = "text" if kinds <= {"completion", "pretrain"} else None
    elif kinds & {"chat_template", "sharegpt"}:
        form = "chat"
    else:
        form = "instruct" if kinds - {"None"} else None
    reading.put("dataset_format", form, "datasets")


def _method(reading: Reading) -> None:
    reading.take("load_in_4bit", "load_in_4bit", default=False)
    reading.take("load_in_8bit", "load_in_8bit", default=False)
    if reading.has("model_quantization_config") or reading.raw("gptq") is True:
        # The base comes quantized, so that loading it in 4 bits is not what makes it so.
        reading.settings.pop("load_in_4bit", None)
    four, eight = (reading.got(f"load_in_{bits}bit") is True for bits in (4, 8))
    adapter = str(reading.raw("adapter") or "").lower()
    if adapter == "lora":
        method = "qlora" if four else "lora-8bit" if eight else "lora"
    elif adapter:
        method = adapter
    elif reading.has("unfrozen_parameters", "lisa_n_layers"):
        method = "partial"
    else:
        method = "galore" if "galore" in str(reading.raw("optimizer") or "") else "full"
    reading.put("method", method, "adapter", stated=bool(adapter))
    rank = reading.take("rank", "lora_r")
    reading.take("alpha", "lora_alpha")
    reading.take("adapter_dropout", "lora_dropout", default=0.0 if rank else None)
    if reading.raw("lora_target_linear") is True:
        reading.put("targets", ["all-linear"], "lora_target_linear")
    else:
        reading.take("targets", "lora_target_modules")
    reading.take("modules_to_save", "lora_modules_to_save")
    reading.take("dora", "peft_use_dora", default=False)
    reading.put("rank_scaling", "rslora" if reading.raw("peft_use_rslora") is True else "classic", "peft_use_rslora")


def _numbers(reading: Reading) -> None:
    reading.take("learning_rate", "learning_rate")
    reading.take("epochs", "num_epochs", default=1.0)
    steps = reading.take("max_steps", "max_steps")
    if isinstance(steps, int | float) and steps <= 0:
        reading.settings.pop("max_steps", None)
    reading.take("micro_batch", "micro_batch_size", default=1)
    reading.take("accumulation", "gradient_accumulation_steps", default=1)
    reading.take("schedule", "lr_scheduler", default="cosine")
    reading.take("warmup_ratio", "warmup_ratio")
    reading.take("warmup_steps", "warmup_steps")
    reading.same("warmup", "warmup_steps", "warmup_ratio")
    reading.take("weight_decay", "weight_decay", default=0.0)
    reading.take("beta2", "adam_beta2")
    reading.take("optimizer", "optimizer", default="adamw_torch_fused")


def _precision(reading: Reading) -> None:
    for name, pure in (("bf16", "bfloat16"), ("fp16", "float16")):
        word = reading.raw(name)
        if isinstance(word, str) and word.lower() in ("auto", "full"):
            reading.put(name, value=True, key=name)
        elif reading.raw(pure) is True:
            reading.put(name, value=True, key=pure)
        else:
            reading.take(name, name, default=name == "bf16" and reading.raw("fp16") is not True)
    bf16 = reading.got("bf16")
    fp16 = reading.got("fp16")
    reading.put("base_dtype", "bf16" if bf16 else "fp16" if fp16 else "fp32", "bf16", stated=False)
    recomputed = reading.raw("gradient_checkpointing")
    fsdp = reading.raw("fsdp_config")
    inside = isinstance(fsdp, dict) and next(
        (key for key in ("fsdp_activation_checkpointing", "activation_checkpointing") if fsdp.get(key) is True), None
    )
    if inside:
        pointer = f"/fsdp_config/{inside}"
        reading.put("gradient_checkpointing", value=True, key=str(inside), pointer=pointer)
    elif isinstance(recomputed, str):
        reading.put("gradient_checkpointing", recomputed not in ("false", "no"), "gradient_checkpointing")
    else:
        reading.take("gradient_checkpointing", "gradient_checkpointing", default=False)
    reading.take("use_cache", "use_cache")
    kernel = next((key for key in _KERNELS if reading.raw(key) is True), None)
    if kernel:
        reading.put("attention", _KERNELS[kernel], kernel)
    elif reading.has("attn_implementation"):
        reading.put("attention", attention_word(reading.raw("attn_implementation")), "attn_implementation")
    plugins = " ".join(map(str, reading.raw("plugins") or ())) if isinstance(reading.raw("plugins"), list) else ""
    fused = reading.raw("liger_fused_linear_cross_entropy") is True or "cut_cross_entropy" in plugins
    reading.put("fused_loss", fused, "plugins", stated=fused)
    _devices(reading)


def _devices(reading: Reading) -> None:
    if reading.has("deepspeed"):
        stage, offload = zero_stage(reading.raw("deepspeed"))
        reading.put("distribution", stage, "deepspeed")
        reading.put("offload", offload, "deepspeed")
    elif reading.raw("fsdp") not in (None, "", []) or reading.has("fsdp_config", "fsdp_version"):
        key = "fsdp" if reading.has("fsdp") else "fsdp_config"
        reading.put("distribution", "fsdp", key)
        reading.put("offload", fsdp_offload(reading.raw("fsdp_config")), key)
    else:
        # Sizes of meshes speak of several devices, whose number they do not tell.
        keys = ("dp_shard_size", "tensor_parallel_size", "context_parallel_size", "dp_replicate_size")
        mesh = next((name for name in keys if isinstance(size := reading.raw(name), int) and size > 1), None)
        reading.put("distribution", "fsdp" if mesh else None, mesh or keys[0])


def _named(items: list[dict[str, Any]]) -> list[str]:
    """Each data set as `path:configuration/file@split`."""
    found = []
    for item in items:
        path = item.get("path")
        if not isinstance(path, str):
            continue
        files = item.get("data_files")
        part = f":{item['name']}" if isinstance(item.get("name"), str) else ""
        part += f"/{','.join(map(str, files)) if isinstance(files, list) else files}" if files else ""
        found.append(f"{path}{part}@{item.get('split') or 'train'}")
    return found


def _data(reading: Reading) -> None:
    key = "datasets" if reading.has("datasets") else "pretraining_dataset"
    reading.put("datasets", _named(_datasets(reading, key)) or None, key)
    tests = _named(_datasets(reading, "test_datasets"))
    reading.put("eval_datasets", tests or None, "test_datasets")
    size = reading.take("validation_size", "val_set_size", default=0.0)
    word = "test_datasets" if tests else "val_set_size"
    reading.put("evaluation", bool(tests) or bool(size), word, stated=reading.has(word))
    reading.take("max_length", "sequence_len", default=512)
    packed = reading.take("packing", "sample_packing", default=False)
    kernel = reading.got("attention")
    reading.put("packing_masked", kernel in _MASKING if packed else None, "sample_packing")
    reading.take("train_on_prompt", "train_on_inputs", default=False)
    reading.take("pad_to_length", "pad_to_sequence_len", default=False)
    templates = [(index, item["chat_template"]) for index, item in enumerate(_datasets(reading)) if _text(item)]
    reading.take("chat_template", "chat_template")
    if not reading.has("chat_template") and templates:
        index, template = templates[0]
        reading.put("chat_template", template, "chat_template", pointer=f"/datasets/{index}/chat_template")
    if "dataset_format" in reading.settings and "chat_template" not in reading.settings:
        chat = reading.got("dataset_format") == "chat"
        reading.put("chat_template", "tokenizer_default" if chat else None, "chat_template", stated=False)
    for index, item in enumerate(_datasets(reading)):
        if isinstance(item.get("train_on_eos"), str):
            reading.put("train_on_eos", item["train_on_eos"], "train_on_eos", pointer=f"/datasets/{index}/train_on_eos")
    tokens = reading.raw("special_tokens")
    for name in ("pad_token", "eos_token"):
        if isinstance(tokens, dict) and isinstance(tokens.get(name), str):
            reading.put(name, tokens[name], name, pointer=f"/special_tokens/{name}")


def _text(item: dict[str, Any]) -> bool:
    return isinstance(item.get("chat_template"), str)
