"""Optimizers: names for those that the trainer makes, and the two that it cannot make as planned."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from executors.train.methods.applied import linear_layers
from executors.train.params import given

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from executors.train.params import TrainParams

# Words of transformers.
NAMES = {
    "adamw": "adamw_torch_fused",
    "adamw-8bit": "adamw_8bit",
    "paged-adamw-8bit": "paged_adamw_8bit",
    "galore-adamw": "galore_adamw",
}
# Steps after which gradients are projected anew, and the scale of what is projected back [zhao-2024-galore].
GALORE = {"update_proj_gap": 200, "scale": 0.25, "proj_type": "std"}


def own_optimizer(model: Any, params: TrainParams, decayed: list[str]) -> Any | None:
    """The optimizer of GaLore or LoRA+; None where the trainer's own is meant.

    Args:
        model: what is trained.
        params: rates, betas and weight decay.
        decayed: names of the parameters that weight decay is for.
    """
    if params.optimizer == "galore-adamw":
        return _galore(model, params, set(decayed))
    if (params.rate_ratio or 1.0) > 1:
        return _two_rates(model, params)
    return None


def loading(params: TrainParams) -> AbstractContextManager[Any]:
    """The context in which states of the optimizer can be read from a checkpoint."""
    if params.optimizer != "galore-adamw":
        return nullcontext()
    import torch
    from galore_torch.galore_projector import GaLoreProjector

    # A projection is part of a state, and is read as an object of this one class.
    context: AbstractContextManager[Any] = torch.serialization.safe_globals([GaLoreProjector])
    return context


def _galore(model: Any, params: TrainParams, decayed: set[str]) -> Any:
    """AdamW on projected gradients of the linear layers; transformers would leave out the weight decay."""
    from galore_torch import GaLoreAdamW

    matrices = {id(layer.weight) for layer in linear_layers(model).values()}
    groups: dict[tuple[bool, bool], list[Any]] = {}
    for name, weight in model.named_parameters():
        groups.setdefault((id(weight) in matrices, name in decayed), []).append(weight)
    return GaLoreAdamW(
        [
            {"params": weights, "weight_decay": params.weight_decay if decay else 0.0}
            | ({"rank": given(params.rank), **GALORE} if projected else {})
            for (projected, decay), weights in groups.items()
        ],
        lr=params.learning_rate,
        betas=(params.beta1, params.beta2),
        eps=1e-8,
        no_deprecation_warning=True,
    )


def _two_rates(model: Any, params: TrainParams) -> Any:
    from peft.optimizers import create_loraplus_optimizer

    if params.optimizer == "adamw":
        from torch.optim import AdamW as Kind

        options: dict[str, Any] = {"fused": True}
    else:
        from bitsandbytes.optim import AdamW8bit as Kind

        options = {}
    return create_loraplus_optimizer(
        model,
        Kind,
        lr=params.learning_rate,
        loraplus_lr_ratio=given(params.rate_ratio),
        loraplus_weight_decay=params.weight_decay,
        betas=(params.beta1, params.beta2),
        eps=1e-8,
        **options,
    )
