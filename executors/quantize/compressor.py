"""Weights rounded by llm-compressor, in an environment of its own; transformers and vLLM read the result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.models import load_model, save_tokenizer
from executors.quantize.apart import CALIBRATED
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from executors.models import Dtype

# Names of compressed-tensors for weights and activations.
SCHEMES = {"w8a8": "W8A8", "fp8-dynamic": "FP8_DYNAMIC"}
# Routers of mixtures decide by small differences.
ROUTERS = ("gate", "router", "shared_expert_gate")


def compress(
    base: Path,
    method: str,
    group: int | None,
    dtype: Dtype,
    tokenizer: Any,
    rows: Sequence[Sequence[int]],
    folder: Path,
) -> Any:
    """Quantize a model and write it.

    Args:
        base: the 16-bit model.
        method: `w4a16` by GPTQ [frantar-2022-gptq], `awq`, `w8a8`, `fp8-dynamic` or `fp8-weight`.
        group: weights that share a scale, for methods of 4 bits.
        dtype: of the weights that stay.
        tokenizer: of the model, written beside it.
        rows: calibration data as tokens; empty for methods that look at none.
        folder: where to.

    Returns:
        The quantized model, in evaluation mode.

    Raises:
        InputError: a layer's inputs cannot be split into groups.
    """
    from datasets import Dataset
    from llmcompressor import oneshot

    # Layer after layer goes to the accelerator: the whole model need not fit.
    model = load_model(base, dtype, device="cpu")
    whole = layers_kept(model)
    if group is not None:
        check_groups(model, group, whole)
    given: dict[str, Any] = {}
    if method in CALIBRATED:
        columns = {"input_ids": [list(ids) for ids in rows], "attention_mask": [[1] * len(ids) for ids in rows]}
        given = {
            "dataset": Dataset.from_dict(columns),
            "num_calibration_samples": len(rows),
            "max_seq_length": max(map(len, rows)),
            "shuffle_calibration_samples": False,
        }
    oneshot(model=model, recipe=_recipe(method, group, whole), **given)
    model.save_pretrained(folder, save_compressed=True)
    save_tokenizer(tokenizer, folder)
    return model.eval()


def check_groups(model: Any, group: int, whole: Sequence[str]) -> None:
    """Refuse a group that does not divide the inputs of every layer.

    Raises:
        InputError: naming one layer.
    """
    from torch.nn import Linear

    for name, module in model.named_modules():
        if isinstance(module, Linear) and name not in whole and module.in_features % group:
            message = f"{name} has {module.in_features} inputs, which groups of {group} do not divide."
            raise InputError.one(
                "QUANT023", message, "Take a smaller group, such as 64 or 32.", pointer="/params/group"
            )


def _recipe(method: str, group: int | None, whole: list[str]) -> list[Any]:
    from llmcompressor.modifiers.gptq import GPTQModifier
    from llmcompressor.modifiers.quantization import QuantizationModifier
    from llmcompressor.modifiers.transform.awq import AWQModifier

    def groups(**weights: Any) -> dict[str, Any]:
        return {"config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}, "ignore": whole}

    if method == "w4a16":
        return [GPTQModifier(**groups(num_bits=4, type="int", symmetric=True, strategy="group", group_size=group))]
    if method == "awq":
        rounded = groups(num_bits=4, type="int", symmetric=False, strategy="group", group_size=group)
        return [AWQModifier(), QuantizationModifier(**rounded)]
    if method == "fp8-weight":
        return [QuantizationModifier(**groups(num_bits=8, type="float", symmetric=True, strategy="channel"))]
    modifier = GPTQModifier if method in CALIBRATED else QuantizationModifier
    return [modifier(scheme=SCHEMES[method], targets=["Linear"], ignore=whole)]


def layers_kept(model: Any) -> list[str]:
    """Names of the linear layers that keep 16 bits: the output head, and routers."""
    from torch.nn import Linear

    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, Linear) and (module is head or name.rpartition(".")[2] in ROUTERS)
    ]
