"""Proof that a model folder that was written is one that transformers reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.merge.sources import elements, tensors
from executors.models import DTYPE_BYTES, load_model
from planner.documents import RunError

if TYPE_CHECKING:
    from pathlib import Path

    from executors.models import Dtype
    from planner.documents import JsonValue

# Weights and the first answers beside them.
ROOM = 1.3


def reload(folder: Path, dtype: Dtype) -> dict[str, JsonValue]:
    """Read a written model again: with a forward pass where memory holds it, by names and shapes where not.

    Raises:
        InputError: transformers cannot read it, or tensors are missing.
        RunError: the model answers nothing finite, or expects other tensors.
    """
    import torch

    written = tensors(folder)
    count = elements(written)
    if count * DTYPE_BYTES[dtype] * ROOM > _free_bytes():
        _compare(folder, {name: tensor.shape for name, tensor in written.items()})
        return {"reloaded": "names and shapes", "parameters": count}
    model = load_model(folder, dtype, device="cpu")
    with torch.inference_mode():
        logits = model(torch.arange(8)[None] % model.config.get_text_config(decoder=True).vocab_size).logits
    if not bool(logits.isfinite().all()):
        message = "The merged model answers with what is no number."
        raise RunError.one("MERGE004", message, "Merge with a smaller scale, or write fp32.", file=str(folder))
    return {"reloaded": "forward pass", "parameters": model.num_parameters()}


def _free_bytes() -> float:
    """Memory that this process can still take: what the machine has free, or what its limits leave."""
    import resource

    import psutil

    used = psutil.Process().memory_info()
    limits = {resource.RLIMIT_AS: used.vms, resource.RLIMIT_DATA: used.data}
    left = [most - held for limit, held in limits.items() if (most := resource.getrlimit(limit)[0]) >= 0]
    return float(min([psutil.virtual_memory().available, *left]))


def _compare(folder: Path, written: dict[str, tuple[int, ...]]) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.from_pretrained(folder, local_files_only=True)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    expected = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    wrong = sorted(name for name in expected if expected[name] != written.get(name))
    if wrong:
        message = f"The merged model expects {wrong[0]} in another shape than was written."
        raise RunError.one("MERGE004", message, file=str(folder))
