"""IA3: keys, values and the inputs of the last feed-forward product are rescaled [liu-2022-ia3]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.bottleneck import inputs_of, outputs_of
from executors.train.methods.applied import Applied, is_named, linear_layers, with_peft
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.train.params import TrainParams

# For architectures that peft does not list.
USUAL = (("k_proj", "v_proj", "down_proj"), ("down_proj",))


def ia3(model: Any, params: TrainParams) -> Applied:  # noqa: ARG001 - every method is called alike
    """One scale for each output of keys and values, one for each input of the last feed-forward product.

    Raises:
        InputError: the model has no layers of these kinds.
    """
    from peft import IA3Config
    from peft.utils.constants import (
        TRANSFORMERS_MODELS_TO_IA3_FEEDFORWARD_MODULES_MAPPING as FEEDFORWARD,
    )
    from peft.utils.constants import TRANSFORMERS_MODELS_TO_IA3_TARGET_MODULES_MAPPING as TARGETS

    kind = model.config.model_type
    targets, last = (TARGETS[kind], FEEDFORWARD[kind]) if kind in TARGETS and kind in FEEDFORWARD else USUAL
    layers = linear_layers(model)
    missing = [target for target in targets if not any(is_named(name, [target]) for name in layers)]
    if missing:
        message = f"The model ({kind}) has no linear layer {missing[0]}, which IA3 would rescale."
        raise InputError.one("TRAIN010", message, "Use lora.")
    values = sum(
        inputs_of(layer) if is_named(name, last) else outputs_of(layer)
        for name, layer in layers.items()
        if is_named(name, targets)
    )
    config = IA3Config(task_type="CAUSAL_LM", target_modules=list(targets), feedforward_modules=list(last))
    return Applied(with_peft(model, config), values)
