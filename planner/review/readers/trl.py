"""TRL and transformers training arguments: SFTConfig, DPOConfig and their kin, with or without a model's settings.

Defaults are those of trl 1.16 and transformers 5.23 [trl-docs, transformers-docs].
"""

from __future__ import annotations

import re
from typing import Any

from planner.review.readers.reading import Reading, attention_word, fsdp_offload, zero_stage

#: Keys that only this family of files has.
OWN = frozenset(
    {
        "use_peft", "lora_r", "lora_target_modules", "lora_modules_to_save", "dataset_name", "dataset_train_split",
        "dataset_test_split", "dataset_text_field", "packing_strategy", "completion_only_loss", "assistant_only_loss",
        "padding_free", "per_device_eval_batch_size", "max_prompt_length", "max_completion_length", "num_generations",
        "precompute_ref_log_probs", "model_init_kwargs", "activation_offloading", "load_best_model_at_end", "use_dora",
        "use_rslora", "dataset_config", "dataset_mixture", "dataset_mixer",
    }
)  # fmt: skip
#: Keys that LLaMA-Factory has too.
SHARED = frozenset(
    {
        "per_device_train_batch_size", "num_train_epochs", "model_name_or_path", "gradient_accumulation_steps",
        "learning_rate", "optim", "lr_scheduler_type", "warmup_ratio", "warmup_steps", "output_dir", "max_length",
        "bf16", "fp16", "gradient_checkpointing", "eval_strategy", "evaluation_strategy", "save_strategy", "save_steps",
        "max_steps", "weight_decay", "logging_steps", "attn_implementation", "torch_dtype", "dtype", "lora_alpha",
        "lora_dropout", "load_in_4bit", "load_in_8bit", "trust_remote_code", "beta", "loss_type", "adam_beta2",
        "max_seq_length",
    }
)  # fmt: skip
SECTIONS = (
    "training_arguments", "training_args", "training", "trainer", "sft_config", "dpo_config", "peft_config",
    "lora_config", "lora", "model_config", "model_args", "model", "script_arguments", "data", "dataset",
)  # fmt: skip
_TRL = OWN - {"per_device_eval_batch_size", "load_best_model_at_end"} | {
    "max_length",
    "max_seq_length",
    "beta",
    "loss_type",
}
_SIGNS = (
    ("reinforcement", ("num_generations", "max_completion_length", "vllm_mode", "reward_funcs")),
    ("kto", ("desirable_weight", "undesirable_weight")),
    ("reward", ("center_rewards_coefficient",)),
    ("preference", ("precompute_ref_log_probs", "max_prompt_length", "rpo_alpha", "ref_model_sync_steps", "beta")),
    ("sft", ("packing", "packing_strategy", "completion_only_loss", "assistant_only_loss", "dataset_text_field")),
)
_SFT_LOSSES = frozenset({"nll", "dft", "chunked_nll"})
_PREFERENCE_DATA = re.compile(r"prefer|dpo|kto|binarized|feedback|reward|chosen", re.IGNORECASE)
_RATES = {"sft": 2e-5, "preference": 1e-6, "kto": 1e-6, "reward": 1e-4, "reinforcement": 1e-6}


def read(reading: Reading) -> None:
    """Take every setting that the file states, and the defaults that matter."""
    trl = reading.has(*_TRL)
    objective = _objective(reading, trl=trl)
    _model(reading, trl=trl)
    _adapter(reading)
    _numbers(reading, _RATES.get(objective or "", 5e-5) if trl and objective else None if trl else 5e-5)
    _precision(reading, trl=trl)
    _devices(reading)
    _data(reading, objective, trl=trl)
    _output(reading)


def _objective(reading: Reading, *, trl: bool) -> str | None:
    reading.put("training", value=True, key="learning_rate", stated=False)
    loss = reading.raw("loss_type")
    for name, keys in _SIGNS:
        key = next((key for key in keys if reading.has(key)), None)
        if key is not None:
            reading.put("objective", name, key)
            break
    else:
        data = " ".join(str(item) for item in _datasets(reading))
        if isinstance(loss, str | list):
            words = {loss} if isinstance(loss, str) else set(map(str, loss))
            reading.put("objective", "sft" if words <= _SFT_LOSSES else "preference", "loss_type")
        elif trl and not _PREFERENCE_DATA.search(data):
            reading.put("objective", "sft", "dataset_name", stated=False)
    if reading.settings.get("objective") and reading.got("objective") in ("preference", "kto"):
        word = loss[0] if isinstance(loss, list) and loss else loss
        reading.put("preference_loss", str(word or "sigmoid"), "loss_type", stated=loss is not None)
        reading.take("preference_beta", "beta", default=0.1)
    found = reading.settings.get("objective")
    return str(found.value) if found else None


def _model(reading: Reading, *, trl: bool) -> None:
    reading.take("base_model", "model_name_or_path", "model_name", "model_id", "base_model", "model")
    reading.take("trust_remote_code", "trust_remote_code", default=False)
    inner = reading.raw("model_init_kwargs")
    inner = inner if isinstance(inner, dict) else {}
    default = "fp32" if trl and reading.has("model_name_or_path") and not inner else None
    reading.dtype("base_dtype", "dtype", "torch_dtype", default=default)
    for key in ("dtype", "torch_dtype"):
        if key in inner:
            word = {"float16": "fp16", "bfloat16": "bf16", "float32": "fp32"}.get(str(inner[key]))
            reading.put("base_dtype", word, key, pointer=f"{reading.where('model_init_kwargs').pointer}/{key}")
    kernel = reading.raw("attn_implementation") or inner.get("attn_implementation")
    if kernel is not None:
        reading.put("attention", attention_word(kernel), "attn_implementation")
    else:
        reading.put("attention", "sdpa", "attn_implementation", stated=False)
    reading.take("use_cache", "use_cache", default=False)
    if isinstance(inner.get("use_cache"), bool):
        pointer = f"{reading.where('model_init_kwargs').pointer}/use_cache"
        reading.put("use_cache", inner["use_cache"], "use_cache", pointer=pointer)
    reading.take("load_in_4bit", "load_in_4bit", "use_4bit", default=False)
    reading.take("load_in_8bit", "load_in_8bit", default=False)


def _adapter(reading: Reading) -> None:
    config = reading.raw("peft_config")
    uses = reading.raw("use_peft") is True or isinstance(config, dict)
    if reading.raw("use_peft") is None and reading.has("peft_type", "lora_target_modules", "target_modules"):
        uses = uses or not reading.has("model_name_or_path", "dataset_name")
    four, eight = (reading.got(f"load_in_{bits}bit") is True for bits in (4, 8))
    word = "qlora" if four else "lora-8bit" if eight else "lora"
    key = "peft_config" if config and not reading.has("use_peft") else "use_peft"
    # Arguments without a model belong to a script, which may bring its adapter along.
    whole = reading.has("use_peft") or reading.got("base_model") is not None
    method = word if uses else "full" if whole else None
    reading.put("method", method, key, stated=uses or reading.has("use_peft"))
    reading.take("rank", "lora_r", "r", "lora_rank", default=16 if uses else None)
    reading.take("alpha", "lora_alpha", default=32 if uses else None)
    reading.take("adapter_dropout", "lora_dropout", default=0.05 if uses else None)
    reading.take("targets", "lora_target_modules", "target_modules")
    reading.take("modules_to_save", "lora_modules_to_save", "modules_to_save")
    reading.take("dora", "use_dora", default=False)
    reading.put("rank_scaling", "rslora" if reading.raw("use_rslora") is True else "classic", "use_rslora")
    adapter = ("adapter_path", "adapter_name_or_path", "sft_adapter", "peft_model_id")
    reading.take("adapter_path", *adapter)
    targets = reading.settings.get("targets")
    if targets and targets.value == ["all-linear"]:
        reading.put("targets", ["all-linear"], targets.name)


def _numbers(reading: Reading, rate: float | None) -> None:
    reading.take("learning_rate", "learning_rate", default=rate)
    reading.take("epochs", "num_train_epochs", default=3.0)
    steps = reading.take("max_steps", "max_steps")
    if isinstance(steps, int | float) and steps <= 0:
        reading.settings.pop("max_steps", None)
    reading.take("micro_batch", "per_device_train_batch_size", default=8)
    reading.take("accumulation", "gradient_accumulation_steps", default=1)
    reading.take("schedule", "lr_scheduler_type", default="linear")
    warm = reading.raw("warmup_steps")
    if isinstance(warm, float) and 0 < warm < 1:
        # Below one, transformers 5 reads it as a share of the steps.
        reading.put("warmup_ratio", warm, "warmup_steps")
    else:
        reading.take("warmup_steps", "warmup_steps")
        reading.take("warmup_ratio", "warmup_ratio", default=0.0)
    reading.same("warmup", "warmup_steps", "warmup_ratio")
    reading.take("weight_decay", "weight_decay", default=0.0)
    reading.take("beta2", "adam_beta2", default=0.999)
    reading.take("optimizer", "optim", default="adamw_torch_fused")


def _precision(reading: Reading, *, trl: bool) -> None:
    fp16 = reading.take("fp16", "fp16", default=False)
    reading.take("bf16", "bf16", default=trl and fp16 is not True)
    reading.take("gradient_checkpointing", "gradient_checkpointing", "activation_checkpointing", default=trl)
    fused = reading.raw("use_liger_kernel") is True or reading.raw("loss_type") == "chunked_nll"
    reading.put("fused_loss", fused, "use_liger_kernel", stated=reading.has("use_liger_kernel"))


def _devices(reading: Reading) -> None:
    if reading.has("deepspeed"):
        stage, offload = zero_stage(reading.raw("deepspeed"))
        reading.put("distribution", stage, "deepspeed")
        reading.put("offload", offload, "deepspeed")
    elif reading.raw("fsdp") not in (None, "", [], False):
        off = "offload" in str(reading.raw("fsdp")) or fsdp_offload(reading.raw("fsdp_config")) != "none"
        reading.put("distribution", "fsdp", "fsdp")
        reading.put("offload", "parameters" if off else "none", "fsdp")


def _datasets(reading: Reading) -> list[str]:
    """Training data as `path@split`."""
    split = str(reading.raw("dataset_train_split") or "train")
    keys = ("dataset_name", "dataset_path", "train_file", "train_data", "dataset_id", "train_dataset", "dataset")
    found = [f"{raw}@{split}" for key in keys if isinstance(raw := reading.raw(key), str)]
    mixture = reading.raw("dataset_mixture")
    items = mixture.get("datasets") if isinstance(mixture, dict) else reading.raw("datasets")
    for item in items if isinstance(items, list) else []:
        path = item.get("path", item.get("id")) if isinstance(item, dict) else item
        inner = item.get("split") if isinstance(item, dict) else None
        found += [f"{path}@{inner or split}"] if isinstance(path, str) else []
    return found


def _data(reading: Reading, objective: str | None, *, trl: bool) -> None:
    keys = ("dataset_train_split", "dataset_name", "dataset_path", "train_file", "train_data", "dataset_id")
    key = next(
        (name for name in (*keys, "train_dataset", "dataset", "dataset_mixture", "datasets") if reading.has(name)),
        "dataset_name",
    )
    named = _datasets(reading)
    reading.put("datasets", named or None, key)
    strategy = reading.raw("eval_strategy") if reading.has("eval_strategy") else reading.raw("evaluation_strategy")
    on = strategy not in (None, False, "no") or reading.raw("do_eval") is True
    word = (
        "eval_strategy"
        if reading.has("eval_strategy") or not reading.has("evaluation_strategy")
        else ("evaluation_strategy")
    )
    reading.put("evaluation", on, word, stated=reading.has(word))
    if on and named:
        files = [reading.raw(key) for key in ("eval_file", "validation_file", "eval_dataset", "eval_data")]
        other = [f"{name}@train" for name in files if isinstance(name, str)]
        test = str(reading.raw("dataset_test_split") or "test")
        key = "dataset_test_split" if not other else "eval_dataset"
        tests = [f"{name.rpartition('@')[0]}@{test}" for name in named]
        reading.put("eval_datasets", other or tests, key, stated=reading.has(key))
    reading.take("max_length", "max_length", "max_seq_length", default=1024 if trl else None)
    if objective == "sft" or reading.has("packing"):
        packed = reading.take("packing", "packing", default=False)
        strategy = str(reading.raw("packing_strategy") or "bfd")
        kernel = reading.got("attention")
        masked = strategy.startswith(("bfd", "ffd")) and kernel == "flash"
        reading.put("packing_masked", masked if packed else None, "packing")
    _loss(reading)
    reading.take("chat_template", "chat_template_path", "chat_template")
    reading.take("eos_token", "eos_token")
    reading.take("pad_token", "pad_token")


def _loss(reading: Reading) -> None:
    """Whether prompts count in the loss, as far as the file alone tells."""
    answer, turns = reading.raw("completion_only_loss"), reading.raw("assistant_only_loss")
    if answer is False and turns is not True:
        reading.put("train_on_prompt", value=True, key="completion_only_loss")
    elif answer is True or turns is True:
        reading.put("train_on_prompt", value=False, key="completion_only_loss" if answer else "assistant_only_loss")
    if turns is True:
        reading.put("dataset_format", "chat", "assistant_only_loss")
    elif answer is not None:
        reading.put("dataset_format", "instruct", "completion_only_loss")
    elif reading.has("dataset_text_field"):
        reading.put("dataset_format", "text", "dataset_text_field")


def _output(reading: Reading) -> None:
    reading.take("output_dir", "output_dir")
    reading.take("save_safetensors", "save_safetensors", default=True)
    _steps(reading, "save_steps", "save_strategy", "steps")
    _steps(reading, "eval_steps", "eval_strategy", "no")
    resume: Any = reading.raw("resume_from_checkpoint")
    reading.put("resume", resume if isinstance(resume, str) else None, "resume_from_checkpoint")


def _steps(reading: Reading, name: str, strategy: str, default: str) -> None:
    """Steps between checkpoints or evaluations, where those are counted in steps."""
    steps = reading.raw(name)
    if str(reading.raw(strategy) or default) == "steps" and isinstance(steps, int) and steps >= 1:
        reading.take(name, name)
