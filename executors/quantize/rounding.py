"""Weights rounded by bitsandbytes or torchao and written as safetensors before anything is computed with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.heads import head_modules, is_classifier_model, labels_of, load_classifier
from executors.models import device_name, load_model, load_tokenizer, save_model, torch_dtype
from planner.documents import Finding, RunError, Where

if TYPE_CHECKING:
    from pathlib import Path

    from executors.models import Dtype
    from executors.quantized import Quantization

BITSANDBYTES = ("int8", "nf4", "fp4")
ACCELERATED = {
    "int4": "torchao computes with 4-bit weights on a CUDA device only",
    "fp8": "fp8 is multiplied by hardware from NVIDIA compute capability 8.9 on",
}


def check_place(method: str, device: str) -> list[Finding]:
    """What forbids a method on a device, such as `cpu`."""
    if method not in ACCELERATED or device == "cuda":
        return []
    message = f"{ACCELERATED[method]}, and this machine computes on {device}."
    fix = "Run the step where such a device is, or override quantization with int8, nf4 or gguf."
    return [Finding(code="QUANT005", severity="error", message=message, fix=fix, where=Where(pointer="/params/method"))]


def round_and_save(base: Path, method: str, group: int | None, dtype: Dtype, tokenizer: Any, folder: Path) -> Any:
    """Quantize a model and write it.

    It is written before its first forward pass, which on some processors repacks 4-bit weights for good.

    Returns:
        The quantized model, in evaluation mode.

    Raises:
        RunError: no layer came in fewer bits.
    """
    small = method in BITSANDBYTES
    model = load_any(base, dtype, method) if small else _by_torchao(base, method, group, dtype)  # type: ignore[arg-type]
    save_model(model, tokenizer, folder)
    return model


def load_any(folder: Path, dtype: Dtype, quantization: Quantization = "none") -> Any:
    """The model of a folder on the device at hand, in evaluation mode: it writes, or has a head over labels."""
    device = device_name()
    if not is_classifier_model(folder):
        return load_model(folder, dtype, device=device, quantization=quantization)
    pad = load_tokenizer(folder).pad_token_id
    return load_classifier(folder, dtype, labels_of(folder, None), pad, device=device, quantization=quantization)


def _by_torchao(base: Path, method: str, group: int | None, dtype: Dtype) -> Any:
    import torch
    from torchao import quantization
    from torchao.quantization.granularity import PerGroup
    from torchao.utils import TorchAOBaseTensor
    from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, TorchAoConfig

    head = is_classifier_model(base)
    if method == "int4":
        kind = quantization.Int4WeightOnlyConfig(group_size=group)
    elif method == "fp8":
        kind = quantization.Float8DynamicActivationFloat8WeightConfig()
    elif method == "int8-int4":
        kind = quantization.Int8DynamicActivationIntxWeightConfig(torch.int4, PerGroup(group))
    else:
        kind = quantization.Int8WeightOnlyConfig()
    model = (AutoModelForSequenceClassification if head else AutoModelForCausalLM).from_pretrained(
        base,
        dtype=torch_dtype(dtype),
        use_safetensors=True,
        local_files_only=True,
        device_map={"": device_name()},
        quantization_config=TorchAoConfig(kind, modules_to_not_convert=head_modules(base) if head else None),
    )
    if not any(isinstance(weight, TorchAOBaseTensor) for weight in model.parameters()):
        message = f"The model was asked for in {method}, and no layer of it came in fewer bits."
        raise RunError.one("MODEL006", message, file=str(base))
    return model.eval()
