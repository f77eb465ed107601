"""Weights rounded by bitsandbytes or torchao and written as safetensors before anything is computed with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.models import device_name, load_model, save_model, torch_dtype
from planner.documents import Finding, RunError, Where

if TYPE_CHECKING:
    from pathlib import Path

    from executors.models import Dtype

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
    if method in BITSANDBYTES:
        model = load_model(base, dtype, device=device_name(), quantization=method)  # type: ignore[arg-type]
    else:
        model = _by_torchao(base, method, group, dtype)
    save_model(model, tokenizer, folder)
    return model


def _by_torchao(base: Path, method: str, group: int | None, dtype: Dtype) -> Any:
    from torchao import quantization
    from torchao.utils import TorchAOBaseTensor
    from transformers import AutoModelForCausalLM, TorchAoConfig

    if method == "int4":
        kind = quantization.Int4WeightOnlyConfig(group_size=group)
    elif method == "fp8":
        kind = quantization.Float8DynamicActivationFloat8WeightConfig()
    else:
        kind = quantization.Int8WeightOnlyConfig()
    model = AutoModelForCausalLM.from_pretrained(
        base,
        dtype=torch_dtype(dtype),
        use_safetensors=True,
        local_files_only=True,
        device_map={"": device_name()},
        quantization_config=TorchAoConfig(kind),
    )
    if not any(isinstance(weight, TorchAOBaseTensor) for weight in model.parameters()):
        message = f"The model was asked for in {method}, and no layer of it came in fewer bits."
        raise RunError.one("MODEL006", message, file=str(base))
    return model.eval()
