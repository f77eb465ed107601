"""Two tiny finetunes of one base, whole and as adapters: random changes, real files."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.executors.tiny import make_tiny_model

if TYPE_CHECKING:
    from pathlib import Path


def make_finetune(base: Path, folder: Path, *, seed: int, size: float = 0.02) -> Path:
    """A copy of a model whose every weight moved by normal noise."""
    import torch
    from transformers import AutoModelForCausalLM

    shutil.copytree(base, folder)
    model = AutoModelForCausalLM.from_pretrained(base, local_files_only=True)
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * size)
    model.save_pretrained(folder)
    return folder


def make_family(folder: Path) -> dict[str, Path]:
    """`base` and its finetunes `one` and `two`."""
    base = make_tiny_model(folder / "base")
    return {
        "base": base,
        "one": make_finetune(base, folder / "one", seed=1),
        "two": make_finetune(base, folder / "two", seed=2),
    }


def weights(folder: Path) -> dict[str, object]:
    """Every tensor of a folder's files by name, in fp32."""
    from safetensors.torch import load_file

    return {name: tensor.float() for path in folder.glob("*.safetensors") for name, tensor in load_file(path).items()}
