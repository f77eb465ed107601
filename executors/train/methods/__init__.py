"""Methods of training: what each adds to a model or lets train of it, and how many parameters that must be."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from executors.bottleneck import is_within
from executors.train.methods.applied import fresh_modules
from executors.train.methods.bottleneck import adapter
from executors.train.methods.ia3 import ia3
from executors.train.methods.in_place import bitfit, full, partial, router
from executors.train.methods.low_rank import low_rank
from executors.train.methods.rounded import rounded
from executors.train.methods.soft import p_tuning, prefix_tuning, prompt_tuning

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from executors.train.methods.applied import Applied
    from executors.train.params import TrainParams

METHODS: dict[str, Callable[[Any, TrainParams], Applied]] = {
    "full": full,
    # Its optimizer is what makes GaLore: see executors.train.optimizers.
    "galore": full,
    "partial": partial,
    "bitfit": bitfit,
    "router": router,
    "qat": rounded,
    "lora": low_rank,
    "dora": low_rank,
    "longlora": low_rank,
    "qlora": low_rank,
    # Its restarts are what makes ReLoRA: see executors.train.restarts.
    "relora": low_rank,
    "ia3": ia3,
    "adapter": adapter,
    "prompt-tuning": prompt_tuning,
    "prefix-tuning": prefix_tuning,
    "p-tuning": p_tuning,
}


def apply(model: Any, params: TrainParams) -> Applied:
    """The model as the method makes it; what begins at random trains beside what the method promises."""
    fresh = {name: at for name, at in model.named_parameters() if is_within(name, fresh_modules(model))}
    applied = METHODS[params.method](model, params)
    if applied.model is model:
        # peft trains copies of its own; here some may train already.
        fresh = {name: weight for name, weight in fresh.items() if not weight.requires_grad}
        for weight in fresh.values():
            weight.requires_grad_(requires_grad=True)
    return replace(applied, trainable=applied.trainable + sum(weight.numel() for weight in fresh.values()))
