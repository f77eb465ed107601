"""Weights rounded by gptqmodel in an environment of its own, and written so that transformers and vLLM read them.

transformers reads gptqmodel's own files only beside gptqmodel; the same numbers in the format of compressed-tensors it
reads everywhere.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from executors.files import remove
from executors.models import device_name, load_model, save_tokenizer, torch_dtype
from executors.quantize.compressor import check_groups, layers_kept

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from executors.models import Dtype

# More would be started than a small machine has cores for.
WORKERS = ("GPTQMODEL_CPU_WORKERS", "2")
_OF_GPTQMODEL = ("quantize_config.json", "quant_log.csv")


def round_by_gptqmodel(
    base: Path, group: int, dtype: Dtype, tokenizer: Any, rows: Sequence[Sequence[int]], folder: Path
) -> Any:
    """Fit the rounding of a model to calibration data by GPTQ [frantar-2022-gptq], and write it.

    Args:
        base: the 16-bit model.
        group: weights that share a scale.
        dtype: of the weights that stay.
        tokenizer: of the model, written beside it.
        rows: calibration data as tokens.
        folder: where to.

    Returns:
        The quantized model as gptqmodel reads it, in evaluation mode.

    Raises:
        InputError: a layer's inputs cannot be split into groups.
        RunError: gptqmodel wrote another form than was asked for.
    """
    os.environ.setdefault(*WORKERS)
    from gptqmodel import GPTQModel, QuantizeConfig

    model = load_model(base, dtype, device="cpu")
    whole = layers_kept(model)
    check_groups(model, group, whole)
    del model
    raw, layers = folder.with_name(f"{folder.name}-raw"), folder.with_name(f"{folder.name}-layers")
    try:
        # Layers that wait lie on the disk, where the result will.
        config = QuantizeConfig(bits=4, group_size=group, sym=True, desc_act=False, offload_to_disk_path=str(layers))
        rounded = GPTQModel.load(str(base), config, dtype=torch_dtype(dtype))
        calibration = [{"input_ids": list(ids), "attention_mask": [1] * len(ids)} for ids in rows]
        # Short rows are what the task has; gptqmodel would leave out those below its own least length.
        rounded.quantize(calibration, batch_size=1, calibration_data_min_length=1)
        rounded.save(str(raw))
        del rounded
        _convert(raw, base, folder, group, whole)
        again = GPTQModel.load(str(raw), device=device_name(), dtype=torch_dtype(dtype)).model.eval()
    finally:
        remove(raw)
        remove(layers)
    save_tokenizer(tokenizer, folder)
    return again


def _convert(raw: Path, base: Path, folder: Path, group: int, whole: list[str]) -> None:
    """Write the same numbers in the format of compressed-tensors."""
    from compressed_tensors.entrypoints.convert import convert_checkpoint

    from executors.quantize.gptq_format import FromGptq

    convert_checkpoint(str(raw), str(folder), FromGptq(group, whole), device="cpu")
    for name in _OF_GPTQMODEL:
        remove(folder / name)
    if (base / "generation_config.json").is_file():
        # gptqmodel writes one of its own.
        shutil.copyfile(base / "generation_config.json", folder / "generation_config.json")
