"""Training with the weights of linear layers rounded at every pass, as they will be when they are served."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.train.methods.applied import Applied, linear_layers, only
from executors.train.params import given
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.train.params import TrainParams


def rounded(model: Any, params: TrainParams) -> Applied:
    """Every weight trains; layers compute with a copy of it in 4 bits, past which gradients go [torchao-docs].

    What is left is the weights before rounding, so that the file is like any other until it is quantized.

    Raises:
        InputError: no layer's rows are whole groups.
    """
    import torch
    from torchao.quantization import Int4WeightOnlyConfig, Int8DynamicActivationIntxWeightConfig, quantize_
    from torchao.quantization.granularity import PerGroup
    from torchao.quantization.qat import QATConfig

    group = given(params.rounding_group)
    fits = {name for name, layer in linear_layers(model).items() if layer.weight.shape[-1] % group == 0}
    if not fits:
        message = f"No linear layer of the model has rows of whole groups of {group} weights."
        raise InputError.one("TRAIN017", message, "Set a smaller rounding_group.", pointer="/params/rounding_group")
    kind = Int4WeightOnlyConfig(group_size=group)
    if params.rounding == "int8-int4":
        kind = Int8DynamicActivationIntxWeightConfig(torch.int4, PerGroup(group))
    quantize_(model, QATConfig(kind, step="prepare"), filter_fn=lambda _, name: name in fits)
    return Applied(model, only(model, model.parameters()))
