"""What training leaves, an adapter or a whole model: the same bytes for the same training."""

from __future__ import annotations

import json
import math
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors import bottleneck
from executors.heads import write_labels
from executors.models import load_tokenizer, save_tokenizer
from executors.train.belonging import IN_PLACE
from executors.train.methods.applied import fresh_modules
from executors.train.params import given
from planner.documents import pretty_json

if TYPE_CHECKING:
    from executors.train.keeping import KeptTrainer
    from executors.train.methods.applied import Applied

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


def write_result(trainer: KeptTrainer, applied: Applied, base: Path, out: Path, card: str) -> None:
    """Write what a method leaves, with the base's tokenizer and a card, into a new folder.

    Args:
        trainer: with the chosen weights set.
        applied: what the method made of the model.
        base: folder of the base model.
        out: `adapter` or `model` under the job's output folder.
        card: the model card.
    """
    params, ready = trainer.plan.params, trainer.plan.ready
    if params.method in IN_PLACE:
        from executors.train.objectives import OBJECTIVES

        load = OBJECTIVES[params.objective].load
        _write_model(applied.model, load(base, params, ready, "cpu"), out)
    else:
        out.mkdir()
        if params.method == "adapter":
            bottleneck.save(applied.model, given(params.bottleneck), out, fresh_modules(applied.model))
        else:
            _write_peft(applied, out)
            if "positions" in ready.notes:
                # Whoever loads the adapter must read positions as it was trained.
                applied.model.get_base_model().config.save_pretrained(out)
        if ready.labels:
            write_labels(ready.labels, out)
    for pattern in TOKENIZER_FILES:
        for file in sorted(base.glob(pattern)):
            shutil.copyfile(file, out / file.name)
    if len(ready.tokenizer) != len(load_tokenizer(base)):
        save_tokenizer(ready.tokenizer, out)
    (out / "README.md").write_text(card, encoding="utf-8")


def _write_peft(applied: Applied, out: Path) -> None:
    """The files that peft reads; where the frozen weights were changed, an adapter for the unchanged ones."""
    with tempfile.TemporaryDirectory(dir=out) as folder:
        applied.model.save_pretrained(folder, save_embedding_layers=False)
        shutil.copyfile(Path(folder) / WEIGHTS, out / WEIGHTS)
        config = json.loads((Path(folder) / CONFIG).read_text(encoding="utf-8"))
    if applied.start is not None:
        config |= _for_unchanged(applied.start, config, out / WEIGHTS)
    # peft writes sets, whose order changes from process to process, and where the base lay on this machine.
    for name in ("target_modules", "feedforward_modules", "modules_to_save"):
        if isinstance(config.get(name), list):
            config[name].sort()
    config["base_model_name_or_path"] = None
    if "init_lora_weights" in config:
        # How an adapter began is no matter for who loads it, and some starts would be computed again.
        config |= {"init_lora_weights": True, "eva_config": None}
    (out / CONFIG).write_text(pretty_json(config), encoding="utf-8")


def _for_unchanged(start: dict[str, Any], config: dict[str, Any], file: Path) -> dict[str, Any]:
    """Turn an adapter beside W - s B0 A0 into one of twice the rank beside W itself [meng-2024-pissa].

    Returns:
        What changes in the configuration, so that the scale s stays.
    """
    import torch
    from safetensors.torch import load_file, save_file

    began = {name.replace(".default.", "."): tensor.cpu() for name, tensor in start.items()}
    # A is (rank, inputs), B is (outputs, rank).
    joined = {
        name: now
        if ".lora_" not in name
        else torch.cat([now, began[name]], 0)
        if ".lora_A." in name
        else torch.cat([now, -began[name]], 1)
        for name, now in load_file(file).items()
    }
    save_file({name: tensor.contiguous() for name, tensor in joined.items()}, file)
    growth = math.sqrt(2) if config["use_rslora"] else 2
    return {"r": 2 * config["r"], "lora_alpha": growth * config["lora_alpha"]}


def _write_model(trained: Any, model: Any, out: Path) -> None:
    """A whole model folder in the base's dtype: the model as it was loaded, but for what was trained."""
    import torch
    from peft import PeftModel

    # Adapters that were begun anew are folded for the last time; all that they were beside has changed.
    restarted = isinstance(trained, PeftModel)
    trained = trained.merge_and_unload() if restarted else trained
    held = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in trained.named_parameters():
            if restarted or weight.requires_grad:
                held[name].copy_(weight)
    model.save_pretrained(out)
