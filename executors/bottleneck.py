"""Bottleneck adapters: two small layers after each branch of a block, trained while the rest stays [houlsby-2019].

No library here offers them. They are saved as safetensors with a configuration of their own.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from planner.documents import InputError, pretty_json

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
TYPE = "bottleneck"
# Under this name the two layers are children of the linear layer whose output they change.
CHILD = "bottleneck"


def is_within(name: str, modules: Collection[str]) -> bool:
    """Whether a module or parameter is one of these modules or inside of one."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def is_bottleneck(folder: Path) -> bool:
    """Whether a folder holds bottleneck adapters, by its configuration."""
    file = folder / CONFIG
    try:
        return bool(json.loads(file.read_text(encoding="utf-8")).get("adapter_type") == TYPE)
    except (OSError, ValueError, AttributeError):
        return False


def attach(model: Any, width: int) -> list[Any]:
    """Insert adapters of a width after attention and after feed-forward of every block; they start without effect.

    Returns:
        What was inserted, each `hidden -> width -> hidden` with biases.
    """
    import torch

    hidden = model.config.get_text_config(decoder=True).hidden_size
    device = model.get_input_embeddings().weight.device
    inserted = []
    for layer in branch_ends(model):
        down, up = torch.nn.Linear(hidden, width, device=device), torch.nn.Linear(width, hidden, device=device)
        torch.nn.init.zeros_(up.weight)
        torch.nn.init.zeros_(up.bias)
        adapter = torch.nn.Sequential(down, torch.nn.GELU(), up).float()
        layer.add_module(CHILD, adapter)
        layer.register_forward_hook(_beside)
        inserted.append(adapter)
    return inserted


def branch_ends(model: Any) -> list[Any]:
    """The last linear layer of attention and of feed-forward, in every block; found by shape, not by name.

    Raises:
        InputError: the blocks are built in another way.
    """
    import torch
    from transformers.pytorch_utils import Conv1D

    hidden = model.config.get_text_config(decoder=True).hidden_size
    ends = []
    for block in decoder_layers(model):
        found = []
        for branch in block.children():
            linear = [module for module in branch.modules() if isinstance(module, (torch.nn.Linear, Conv1D))]
            if linear and outputs_of(linear[-1]) == hidden:
                found.append(linear[-1])
        if len(found) != 2:  # noqa: PLR2004 - attention and feed-forward
            message = f"A block of the model has {len(found)} branches that end in a linear layer, not 2."
            raise InputError.one("MODEL010", message, "Train this model with lora.")
        ends += found
    return ends


def decoder_layers(model: Any) -> list[Any]:
    """The blocks of a model, first to last.

    Raises:
        InputError: the model has no list of as many blocks as its configuration says.
    """
    import torch

    count = model.config.get_text_config(decoder=True).num_hidden_layers
    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    message = f"The model has no list of {count} blocks."
    raise InputError.one("MODEL010", message, "Train this model with lora.")


def outputs_of(layer: Any) -> int:
    """Outputs of a linear layer, whether its weights are packed or laid out as GPT-2's are."""
    return int(layer.nf if hasattr(layer, "nf") else layer.out_features)


def inputs_of(layer: Any) -> int:
    """Inputs of a linear layer."""
    return int(layer.nx if hasattr(layer, "nx") else layer.in_features)


def save(model: Any, width: int, folder: Path, beside: Collection[str] = ()) -> None:
    """Write adapters, whole modules `beside` them, and their configuration into a folder."""
    from safetensors.torch import save_file

    kept = {name: at for name, at in model.named_parameters() if f".{CHILD}." in name or is_within(name, beside)}
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in kept.items()}, folder / WEIGHTS)
    config = {"adapter_type": TYPE, "width": width, "activation": "gelu"}
    (folder / CONFIG).write_text(pretty_json(config), encoding="utf-8")


def load(model: Any, folder: Path) -> Any:
    """The model with the adapters of a folder inserted, in evaluation mode.

    Raises:
        ValueError: the adapters belong to another model.
    """
    from safetensors.torch import load_file

    attach(model, json.loads((folder / CONFIG).read_text(encoding="utf-8"))["width"])
    weights = load_file(folder / WEIGHTS, device=str(model.device))
    _, unknown = model.load_state_dict(weights, strict=False)
    held = {name for name in model.state_dict() if f".{CHILD}." in name}
    if unknown or not held <= set(weights):
        raise ValueError(f"{len(set(unknown) | held - set(weights))} tensors of adapters do not match")
    return model.eval()


def _beside(layer: Any, _: Any, output: Any) -> Any:
    adapter = getattr(layer, CHILD)
    # The adapters are in fp32 whatever the model is in; under autocast the products are not.
    return output + adapter(output.to(adapter[0].weight.dtype)).to(output.dtype)
