"""Small configurations of every tool: one that is in order, from which tests change a value."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

Values = dict[str, Any]
TRL: Values = {
    "model_name_or_path": "Qwen/Qwen2.5-7B-Instruct",
    "dtype": "bfloat16",
    "attn_implementation": "flash_attention_2",
    "use_peft": True,
    "lora_r": 16,
    "lora_alpha": 32,
    "dataset_name": "acme/replies",
    "completion_only_loss": True,
    "max_length": 1024,
    "learning_rate": 2e-4,
    "num_train_epochs": 3,
    "per_device_train_batch_size": 4,
    "gradient_accumulation_steps": 4,
    "gradient_checkpointing": True,
    "bf16": True,
    "eval_strategy": "epoch",
    "output_dir": "out",
}
AXOLOTL: Values = {
    "base_model": "Qwen/Qwen2.5-7B-Instruct",
    "datasets": [{"path": "acme/replies", "type": "chat_template"}],
    "val_set_size": 0.05,
    "sequence_len": 2048,
    "sample_packing": True,
    "attn_implementation": "flash_attention_2",
    "adapter": "lora",
    "lora_r": 16,
    "lora_alpha": 32,
    "lora_target_linear": True,
    "micro_batch_size": 2,
    "gradient_accumulation_steps": 8,
    "num_epochs": 3,
    "learning_rate": 2e-4,
    "optimizer": "adamw_torch_fused",
    "bf16": "auto",
    "gradient_checkpointing": True,
    "output_dir": "out",
}
LLAMA_FACTORY: Values = {
    "model_name_or_path": "Qwen/Qwen2.5-7B-Instruct",
    "stage": "sft",
    "do_train": True,
    "finetuning_type": "lora",
    "lora_rank": 16,
    "template": "qwen",
    "dataset": "replies",
    "val_size": 0.05,
    "cutoff_len": 2048,
    "learning_rate": 1e-4,
    "num_train_epochs": 3.0,
    "per_device_train_batch_size": 2,
    "gradient_accumulation_steps": 8,
    "bf16": True,
    "output_dir": "out",
}
PEFT: Values = {
    "peft_type": "LORA",
    "task_type": "CAUSAL_LM",
    "base_model_name_or_path": "Qwen/Qwen2.5-7B-Instruct",
    "r": 16,
    "lora_alpha": 32,
    "target_modules": ["q_proj", "v_proj"],
}
MERGEKIT: Values = {
    "merge_method": "ties",
    "base_model": "mistralai/Mistral-7B-v0.1",
    "models": [
        {"model": "acme/mistral-7b-sales", "parameters": {"density": 0.5, "weight": 0.5}},
        {"model": "acme/mistral-7b-support", "parameters": {"density": 0.5, "weight": 0.5}},
    ],
    "dtype": "bfloat16",
}
SPEC: Values = {
    "task": {"description": "Sort tickets"},
    "models": [{"id": "Qwen/Qwen2.5-7B-Instruct"}],
    "hardware": "a100-80gb",
}
IN_ORDER = {
    "trl": TRL, "axolotl": AXOLOTL, "llama-factory": LLAMA_FACTORY, "peft": PEFT, "mergekit": MERGEKIT,
    "adapt-spec": SPEC,
}  # fmt: skip


def changed(values: Values, **changes: Any) -> Values:
    """The configuration with some values changed; None takes a key out."""
    return {key: value for key, value in (values | changes).items() if value is not None}


def written(folder: Path, values: Values, name: str = "config.json") -> Path:
    """The configuration as a file."""
    path = folder / name
    path.write_text(json.dumps(values, indent=1), encoding="utf-8")
    return path
