"""Federated averaging: the weighted mean of many models, of which one is open at a time [mcmahan-2016-fedavg]."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from executors.files import remove, write_atomic
from executors.merge.sources import INDEX, WEIGHTS, tensors
from executors.models import DTYPE_BYTES, torch_dtype
from planner.documents import pretty_json

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from executors.merge.sources import Tensor
    from executors.models import Dtype

# Bytes of the sum that is kept in memory, in fp32; the written file is half of that in 16 bits.
SUM_BYTES = 250_000_000
# Numbers of a tensor that are added at once.
RUN = 4_000_000


def average(
    folders: Sequence[Path],
    weights: Sequence[float],
    dtype: Dtype,
    out: Path,
    kept: Path,
    report: Callable[[int, int], None],
) -> int:
    """Write the mean of models, part by part: a part is summed over all sources, written, and never made again.

    In memory are one part of the sum and one tensor of one source, however many sources there are.

    Args:
        folders: model folders of the same tensors.
        weights: what each counts, such as the rows that a client has learned from; all above zero.
        dtype: data type that is written; sums are taken in fp32.
        out: folder to write weights and configuration to.
        kept: folder that survives a kill: finished parts wait there.
        report: is told how many parts of how many are done.

    Returns:
        Parts that an earlier attempt had finished.
    """
    first = tensors(folders[0])
    parts = _parts(first)
    kept.mkdir(parents=True, exist_ok=True)
    found = 0
    for number, names in enumerate(parts):
        path = kept / _name(number, len(parts))
        if path.exists():
            found += 1
        else:
            _write(path, names, folders, weights, dtype)
        report(number + 1, len(parts))
    out.mkdir(parents=True, exist_ok=True)
    for number in range(len(parts)):
        name = _name(number, len(parts))
        (kept / name).replace(out / name)
    remove(kept)
    if len(parts) > 1:
        size = sum(_bytes(first[name]) for names in parts for name in names) // 4 * DTYPE_BYTES[dtype]
        where = {name: _name(number, len(parts)) for number, names in enumerate(parts) for name in names}
        write_atomic(out / INDEX, pretty_json({"metadata": {"total_size": size}, "weight_map": where}))
    config = json.loads((folders[0] / "config.json").read_text(encoding="utf-8"))
    config.pop("torch_dtype", None)
    write_atomic(out / "config.json", pretty_json(config | {"dtype": str(torch_dtype(dtype)).removeprefix("torch.")}))
    return found


def _parts(found: Mapping[str, Tensor]) -> list[list[str]]:
    """Names of tensors in parts whose sums fit; a tensor that is larger is a part of its own."""
    parts: list[list[str]] = [[]]
    held = 0
    for name, tensor in found.items():
        if parts[-1] and held + _bytes(tensor) > SUM_BYTES:
            parts.append([])
            held = 0
        parts[-1].append(name)
        held += _bytes(tensor)
    return parts


def _bytes(tensor: Tensor) -> int:
    """Of a tensor in fp32."""
    size = 4
    for length in tensor.shape:
        size *= length
    return size


def _name(number: int, count: int) -> str:
    return WEIGHTS if count == 1 else f"model-{number + 1:05d}-of-{count:05d}.safetensors"


def _write(path: Path, names: Sequence[str], folders: Sequence[Path], weights: Sequence[float], dtype: Dtype) -> None:
    """Sum a part over the sources, one after another, and write it whole or not at all."""
    import torch
    from safetensors.torch import save_file

    total: dict[str, Any] = {}
    for folder, weight in zip(folders, weights, strict=True):
        # The same steps as those of mergekit's mean, so that both give the same bits.
        factor = torch.tensor([weight], dtype=torch.float32)
        own = tensors(folder)
        for name in names:
            value = _read(own[name], name)
            if name not in total:
                total[name] = torch.zeros_like(value, dtype=torch.float32)
            for summed, rows in zip(_runs(total[name]), _runs(value), strict=True):
                summed.addcmul_(rows.float(), factor)
            del value
    divisor = torch.tensor(list(weights), dtype=torch.float32).sum()
    for name in names:
        total[name] = total[name].div_(divisor).to(torch_dtype(dtype))
    partial = path.with_suffix(".part")
    save_file(total, partial, {"format": "pt"})
    partial.replace(path)


def _read(tensor: Tensor, name: str) -> Any:
    from safetensors import safe_open

    with safe_open(tensor.file, "pt") as file:
        return file.get_tensor(name)


def _runs(tensor: Any) -> Any:
    """A tensor in runs of its rows, of which one at a time is brought to fp32."""
    return tensor.split(max(1, RUN * tensor.shape[0] // max(1, tensor.numel()))) if tensor.shape else [tensor]
