"""ReLoRA: adapters are folded into the weights again and again and begun anew, so that their ranks add up."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from peft.tuners.lora import LoraLayer
from transformers import TrainerCallback

if TYPE_CHECKING:
    from collections.abc import Callable

# Steps over which the rate rises again after a restart, of states that know nothing: at least so many, and at most
# half of the steps between two restarts [lialin-2023-relora].
LEAST_WARMUP = 5
ADAPTER = "default"


def steps_between(total: int, restarts: int) -> int:
    """Optimizer steps from one restart to the next."""
    return math.ceil(total / (restarts + 1))


def with_warmups(rate: Callable[[int], float], every: int, warmup_ratio: float) -> Callable[[int], float]:
    """A schedule that rises anew after every restart.

    Args:
        rate: share of the learning rate at an optimizer step, counted from 0.
        every: steps between two restarts.
        warmup_ratio: share of those steps over which it rises.
    """
    warmup = min(max(LEAST_WARMUP, round(warmup_ratio * every)), max(1, every // 2))

    def restarted(step: int) -> float:
        risen = 1.0 if step < every else min(1.0, (step % every + 1) / warmup)
        return rate(step) * risen

    return restarted


class Restarts(TrainerCallback):  # type: ignore[misc]
    """The callback that folds, begins anew and forgets what the optimizer knew of the old adapters."""

    def __init__(self, every: int, total: int, seed: int) -> None:
        self.every, self.total, self.seed = every, total, seed

    def on_step_end(self, _args: Any, state: Any, _control: Any, *, model: Any, optimizer: Any, **_: Any) -> None:
        """Restart where a period ends; the last one is folded into the result."""
        step = state.global_step
        if step % self.every == 0 and step < self.total:
            begin_anew(model, self.seed + step)
            for name, weight in model.named_parameters():
                if ".lora_" in name:
                    optimizer.state.pop(weight, None)


@torch.no_grad()  # type: ignore[untyped-decorator]
def begin_anew(model: Any, seed: int) -> None:
    """Add the adapters to the weights beside them, in fp32 before they are rounded, and draw new ones of no effect."""
    with torch.random.fork_rng():
        # What dropout draws next does not depend on it.
        torch.manual_seed(seed)
        for module in model.modules():
            if isinstance(module, LoraLayer) and ADAPTER in module.lora_A:
                weight = module.get_base_layer().weight
                weight.copy_(weight.float() + module.get_delta_weight(ADAPTER).float())
                module.reset_lora_parameters(ADAPTER, init_lora_weights=True)


def folded_weights(model: Any) -> frozenset[str]:
    """Names of the frozen weights that restarts change."""
    return frozenset(
        f"{name}.base_layer.weight" for name, module in model.named_modules() if isinstance(module, LoraLayer)
    )
