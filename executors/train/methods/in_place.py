"""Methods that train weights of the model itself: all of them, the last layers, the biases, or the router."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from executors.bottleneck import decoder_layers
from executors.train.methods.applied import Applied, is_named, only
from executors.train.params import given
from planner.documents import InputError, near

if TYPE_CHECKING:
    from executors.train.params import TrainParams

# As transformers names the routers of mixtral, qwen, olmoe and others.
GATE = re.compile(r"\.(gate|router)\.(weight|bias)$")


def full(model: Any, params: TrainParams) -> Applied:  # noqa: ARG001 - every method is called alike
    """Every weight; a matrix that input and output share counts once."""
    return Applied(model, only(model, model.parameters()))


def partial(model: Any, params: TrainParams) -> Applied:
    """The last blocks, whole or by modules of them; embeddings, the norm after the blocks and the output head stay.

    Raises:
        InputError: the model has fewer blocks, or these have no module of a name.
    """
    layers, wanted, names = decoder_layers(model), given(params.layers_trained), given(params.modules_trained)
    if wanted > len(layers):
        message = f"layers_trained is {wanted}, but the model has {len(layers)} layers."
        raise InputError.one("TRAIN012", message, f"Use at most {len(layers)}.")
    if names == "all":
        return Applied(model, only(model, (weight for layer in layers[-wanted:] for weight in layer.parameters())))
    modules = [item for layer in layers[-wanted:] for item in layer.named_modules() if item[0]]
    for target in names:
        if not any(is_named(name, [target]) for name, _ in modules):
            known = sorted({name.rpartition(".")[2] for name, module in modules if list(module.parameters())})
            message = f"The last {wanted} layers have no module {target}."
            raise InputError.one("TRAIN010", message, near(target, known) or f"They have {', '.join(known)}.")
    chosen = (module for name, module in modules if is_named(name, names))
    return Applied(model, only(model, (weight for module in chosen for weight in module.parameters())))


def router(model: Any, params: TrainParams) -> Applied:  # noqa: ARG001 - every method is called alike
    """The gates of a mixture of experts: which token goes where [komatsuzaki-2022-sparse-upcycling].

    Raises:
        InputError: the model has no experts to choose between.
    """
    gates = [weight for name, weight in model.named_parameters() if GATE.search(name)]
    if not gates:
        message = f"The model ({model.config.model_type}) is no mixture of experts and has no router to train."
        raise InputError.one("TRAIN014", message, "Use lora.")
    return Applied(model, only(model, gates))


def bitfit(model: Any, params: TrainParams) -> Applied:  # noqa: ARG001 - every method is called alike
    """Every bias [ben-zaken-2022-bitfit].

    Raises:
        InputError: the model has none.
    """
    biases = [weight for name, weight in model.named_parameters() if name.rpartition(".")[2] == "bias"]
    if not biases:
        message = f"The model ({model.config.model_type}) has no biases, so BitFit would train nothing."
        raise InputError.one("TRAIN013", message, "Use lora or ia3.")
    return Applied(model, only(model, biases))
