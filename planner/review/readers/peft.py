"""peft's adapter_config.json. Defaults are those of peft 0.21 [peft-docs]."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.review.readers.reading import Reading

OWN = frozenset({"peft_type", "base_model_name_or_path", "inference_mode", "task_type", "fan_in_fan_out"})
SHARED = frozenset(
    {
        "r", "lora_alpha", "lora_dropout", "target_modules", "modules_to_save", "bias", "use_dora", "use_rslora",
        "init_lora_weights", "num_virtual_tokens", "rank_pattern", "alpha_pattern", "auto_mapping",
    }
)  # fmt: skip
SECTIONS = ()
_METHODS = {
    "LORA": "lora", "ADALORA": "lora", "IA3": "ia3", "PROMPT_TUNING": "prompt-tuning", "P_TUNING": "p-tuning",
    "PREFIX_TUNING": "prefix-tuning", "OFT": "oft", "BOFT": "oft",
}  # fmt: skip
_OBJECTIVES = {"SEQ_CLS": "classification-head", "TOKEN_CLS": "classification-head"}


def read(reading: Reading) -> None:
    """Take every setting that the file states, and the defaults that matter."""
    kind = str(reading.raw("peft_type") or "").upper()
    reading.put("method", _METHODS.get(kind, kind.lower() or None), "peft_type")
    reading.put("training", value=False, key="inference_mode", stated=False)
    reading.take("base_model", "base_model_name_or_path")
    reading.put("objective", _OBJECTIVES.get(str(reading.raw("task_type")).upper()), "task_type")
    if kind in ("LORA", "ADALORA"):
        reading.take("rank", "r", default=8)
        reading.take("alpha", "lora_alpha", default=8)
        reading.take("adapter_dropout", "lora_dropout", default=0.0)
        if reading.raw("target_modules") == "all-linear":
            reading.put("targets", ["all-linear"], "target_modules")
        elif isinstance(reading.raw("target_modules"), list):
            reading.take("targets", "target_modules")
    reading.take("modules_to_save", "modules_to_save")
    reading.take("dora", "use_dora", default=False)
    reading.put("rank_scaling", "rslora" if reading.raw("use_rslora") is True else "classic", "use_rslora")
    reading.take("virtual_tokens", "num_virtual_tokens")
