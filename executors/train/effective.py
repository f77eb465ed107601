"""The contract of training: what was asked for against what the loaded model is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.models import torch_dtype
from executors.prefixed import PLAIN
from executors.quantized import layers_in_bits
from executors.train.belonging import EVERYTHING
from executors.train.liger import in_use
from executors.varlen import VARLEN
from planner.documents import Finding, RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.train.params import TrainParams
    from planner.documents import JsonValue


def effective(model: Any, tokenizer: Any) -> dict[str, JsonValue]:
    """What a loaded model is, by its tensors and not by what anybody asked for."""
    # One side of an adapter may stay as it began; it is no part of the base.
    base = [at for name, at in model.named_parameters() if not at.requires_grad and ".lora_" not in name]
    frozen = {_word(at.dtype) for at in base if at.dtype.is_floating_point}
    trained = {_word(weight.dtype) for weight in model.parameters() if weight.requires_grad}
    return {
        "base_dtype": "+".join(sorted(frozen)) or "none",
        "trained_dtype": "+".join(sorted(trained)),
        "quantization": quantization_of(model),
        "trainable": sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        "attention": PLAIN.get(model.config._attn_implementation, model.config._attn_implementation),
        "liger_kernel": in_use(model),
        "share_prefix": model.config._attn_implementation in PLAIN,
        "template": tokenizer.chat_template,
    }


def requested(
    params: TrainParams, trainable: int, template: str | None, otherwise: Mapping[str, JsonValue]
) -> dict[str, JsonValue]:
    """What `effective` must find, but for what a model does not allow and the trainer says why."""
    dtype = _word(torch_dtype(params.base_dtype))
    kind = params.base_quantization or "none"
    return {
        "base_dtype": "none" if params.method in EVERYTHING else dtype,
        "trained_dtype": dtype if params.method == "galore" else _word(torch_dtype("fp32")),
        "quantization": f"{kind} with double quantization" if kind in ("nf4", "fp4") else kind,
        "trainable": trainable,
        "attention": VARLEN if params.attention == "flash" else params.attention,
        "liger_kernel": params.liger_kernel == "when-installed" and "liger_kernel" not in otherwise,
        "share_prefix": bool(params.share_prefix) and "share_prefix" not in otherwise,
        "template": template,
    }


def quantization_of(model: Any) -> str:
    """How the linear layers of a model are rounded, by their tensors."""
    if not any(type(module).__module__.startswith("bitsandbytes") for module in model.modules()):
        return "none"
    layers = layers_in_bits(model)
    kinds = {"int8"} if "8-bit" in layers else set()
    for weight in model.parameters():
        if hasattr(weight, "quant_state") and weight.quant_state is not None:
            state = weight.quant_state
            kinds.add(f"{state.quant_type} with double quantization" if state.nested else state.quant_type)
    return "+".join(sorted(kinds))


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
