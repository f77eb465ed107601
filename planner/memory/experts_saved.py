"""What a mixture of experts keeps for the backward pass, a token, and the experts' weights that adapters rebuild."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.memory.regime import LOW_RANK
from planner.memory.targets import adapter_rank

if TYPE_CHECKING:
    from planner.memory.architecture import Block
    from planner.memory.regime import Regime
    from planner.memory.setting import TrainingSetting


def experts_saved(block: Block, setting: TrainingSetting, regime: Regime) -> list[float]:
    """Bytes a token of each tensor that routing and the chosen experts keep.

    Tokens are copied once for each chosen expert, sorted, and run as one grouped product
    [transformers: integrations/moe.py, grouped_mm_experts_forward]; its input is kept when experts train or carry
    adapters.
    """
    mixture, hidden = block.feed_forward, block.hidden_width
    value, chosen, width = regime.weight, mixture.top_k, mixture.expert_width
    indices = [8.0 * chosen] * 4 + [4.0 * mixture.experts]
    kept = [2 * value * width * chosen, value * width * chosen, value * hidden * chosen]
    if experts_train(block, setting, regime):
        kept += [value * hidden * chosen, value * width * chosen]
    if block.attention.latent and regime.trains_all:
        kept.append(4 * hidden)
    return [*indices, *(float(part) for part in kept)]


def experts_train(block: Block, setting: TrainingSetting, regime: Regime) -> bool:
    """Whether the experts get gradients: their own, or those of adapters on them."""
    return regime.trains_all or merged_expert_bytes(block, setting, regime) > 0


def merged_expert_bytes(block: Block, setting: TrainingSetting, regime: Regime) -> float:
    """Bytes of the experts' weights that peft rebuilds with the adapter added in every forward pass of a layer.

    The sum of base and adapter has the base's size and dtype, and the cast factors stay too
    [peft: tuners/lora/layer.py, ParamWrapper].
    """
    if setting.method not in LOW_RANK:
        return 0.0
    total = 0.0
    for linear in block.linears:
        if linear.copies > 1:
            rank = adapter_rank(linear, setting.targets, setting.rank)
            if rank:
                total += regime.weight * (linear.weights + rank * linear.copies * (linear.inputs + linear.outputs))
    return total


def largest_expert_gradient(block: Block, setting: TrainingSetting, regime: Regime) -> float:
    """Bytes of the gradient of the largest rebuilt matrix, alive while its adapter's gradients are computed."""
    if setting.method not in LOW_RANK:
        return 0.0
    return max(
        (
            float(regime.weight * linear.weights)
            for linear in block.linears
            if linear.copies > 1 and adapter_rank(linear, setting.targets, setting.rank)
        ),
        default=0.0,
    )
