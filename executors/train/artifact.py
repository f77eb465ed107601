"""The adapter that training leaves: the files that peft reads, the same bytes for the same training."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

from planner.documents import pretty_json

if TYPE_CHECKING:
    from pathlib import Path

    from executors.train.params import TrainParams

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
TOKENIZER_FILES = (
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "chat_template*",
    "vocab.*",
    "merges.txt",
    "*.tiktoken",
)


def write_adapter(checkpoint: Path, base: Path, out: Path, card: str) -> None:
    """Write the adapter of a checkpoint, the base's tokenizer and a card into a new folder."""
    out.mkdir()
    shutil.copyfile(checkpoint / WEIGHTS, out / WEIGHTS)
    config = json.loads((checkpoint / CONFIG).read_text(encoding="utf-8"))
    # peft writes a set, whose order changes from process to process, and where the base lay on this machine.
    if isinstance(config["target_modules"], list):
        config["target_modules"].sort()
    config["base_model_name_or_path"] = None
    (out / CONFIG).write_text(pretty_json(config), encoding="utf-8")
    for pattern in TOKENIZER_FILES:
        for file in sorted(base.glob(pattern)):
            shutil.copyfile(file, out / file.name)
    (out / "README.md").write_text(card, encoding="utf-8")


def card(params: TrainParams, facts: dict[str, str]) -> str:
    """The model card: what was trained, on how much, how, and what it reached."""
    rows = [f"| {name.replace('_', ' ')} | {value} |" for name, value in facts.items()]
    recipe = [f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in params.model_dump().items()]
    return "\n".join(
        [
            "---",
            "library_name: peft",
            "pipeline_tag: text-generation",
            "tags: [lora, sft]",
            "---",
            "",
            "# LoRA adapter",
            "",
            "Load it with `peft.PeftModel.from_pretrained(base, folder)`, on the base model that it was trained on.",
            "",
            "| | |",
            "|---|---|",
            *rows,
            "",
            "## Recipe",
            "",
            "| parameter | value |",
            "|---|---|",
            *recipe,
            "",
        ]
    )


def _shown(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
