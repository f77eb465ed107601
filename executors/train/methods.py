"""Methods of training: what is added to a model, and how many parameters that must be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.documents import Finding, InputError, near

if TYPE_CHECKING:
    from collections.abc import Callable

    from executors.train.params import TrainParams


@dataclass(frozen=True)
class Method:
    """What peft shall add, and what must be trainable afterwards."""

    config: Any
    """The configuration for peft."""
    trainable: int
    """Parameters that must be trainable, by the arithmetic of the method."""


def lora(model: Any, params: TrainParams) -> Method:
    """Low-rank adapters beside linear layers: rank x (inputs + outputs) parameters each.

    Raises:
        InputError: a target is not in the model, or the rank is above a matrix.
    """
    from peft import LoraConfig

    layers = _linear_layers(model)
    targets = params.targets
    chosen = (
        layers if targets == "all-linear" else {name: layer for name, layer in layers.items() if _is(name, targets)}
    )
    findings = [] if targets == "all-linear" else [_missing(target, layers) for target in _absent(targets, layers)]
    narrow = {name: min(layer.weight.shape) for name, layer in chosen.items()}
    if narrow and params.rank > min(narrow.values()):
        name = min(narrow, key=lambda key: (narrow[key], key))
        findings.append(
            Finding(
                code="TRAIN011",
                severity="error",
                message=f"Rank {params.rank} is above the smaller side, {narrow[name]}, of {name}.",
                fix=f"Use a rank of at most {narrow[name]}.",
            )
        )
    if findings:
        raise InputError(findings)
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=params.rank,
        lora_alpha=params.alpha,
        use_rslora=params.rank_scaling == "rslora",
        lora_dropout=params.dropout,
        target_modules=targets,
        bias="none",
    )
    return Method(config, sum(params.rank * sum(layer.weight.shape) for layer in chosen.values()))


METHODS: dict[str, Callable[[Any, TrainParams], Method]] = {"lora": lora}


def _linear_layers(model: Any) -> dict[str, Any]:
    """All linear layers but the output head, by name."""
    import torch
    from transformers.pytorch_utils import Conv1D

    head = model.get_output_embeddings()
    return {
        name: module
        for name, module in model.named_modules()
        if isinstance(module, (torch.nn.Linear, Conv1D)) and module is not head
    }


def _is(name: str, targets: list[str]) -> bool:
    return any(name == target or name.endswith(f".{target}") for target in targets)


def _absent(targets: list[str], layers: dict[str, Any]) -> list[str]:
    return [target for target in targets if not any(_is(name, [target]) for name in layers)]


def _missing(target: str, layers: dict[str, Any]) -> Finding:
    names = sorted({name.rpartition(".")[2] for name in layers})
    return Finding(
        code="TRAIN010",
        severity="error",
        message=f"The model has no linear layer {target}.",
        fix=near(target, names) or f"It has {', '.join(names)}.",
    )
