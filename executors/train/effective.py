"""The contract of training: what was asked for against what the loaded model is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.models import torch_dtype
from planner.documents import Finding, RunError

if TYPE_CHECKING:
    from executors.train.params import TrainParams
    from planner.documents import JsonValue


def effective(model: Any, tokenizer: Any) -> dict[str, JsonValue]:
    """What a loaded model is, by its tensors and not by what anybody asked for."""
    frozen = {_word(weight.dtype) for weight in model.parameters() if not weight.requires_grad}
    trained = {_word(weight.dtype) for weight in model.parameters() if weight.requires_grad}
    return {
        "base_dtype": "+".join(sorted(frozen)),
        "adapter_dtype": "+".join(sorted(trained)),
        "trainable": sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        "attention": model.config._attn_implementation,
        "template": tokenizer.chat_template,
    }


def requested(params: TrainParams, trainable: int, template: str | None) -> dict[str, JsonValue]:
    """What `effective` must find."""
    return {
        "base_dtype": _word(torch_dtype(params.base_dtype)),
        "adapter_dtype": _word(torch_dtype("fp32")),
        "trainable": trainable,
        "attention": params.attention,
        "template": template,
    }


def require(asked: dict[str, JsonValue], found: dict[str, JsonValue]) -> None:
    """Refuse to train something else than was asked for.

    Raises:
        RunError: with a sentence for each difference.
    """
    differences = [
        Finding(
            code="TRAIN015",
            severity="error",
            message=f"Asked for {name.replace('_', ' ')} {asked[name]}, but the loaded model has {found[name]}.",
            fix="Training was not started; report this with the plan.",
        )
        for name in asked
        if asked[name] != found[name]
    ]
    if differences:
        raise RunError(differences)


def _word(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")
