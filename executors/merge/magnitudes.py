"""How long the sources of a merge are, and what brings those that differ much to one length."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from executors.merge.sources import tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from planner.documents import JsonValue

# One row in so many is looked at, in so many runs: the length of millions of numbers is known from a part of them.
ONE_IN, RUNS = 16, 8


class Magnitudes(NamedTuple):
    """The lengths of a merge's sources and what is done about them."""

    factors: list[float] | None
    """What the weight of each source is multiplied with; None where the lengths are near enough."""
    notes: dict[str, JsonValue]


def magnitudes(
    folders: Mapping[str, Path], sources: Sequence[str], weights: Sequence[float], most: float
) -> Magnitudes:
    """Compare the sources' lengths, and bring them to one if the longest is more than `most` times the shortest.

    The common length is the weighted harmonic mean of all, so that the sum of the weights, by which a mean divides,
    stays as it was.

    Args:
        folders: model folders by name; where `base` is one of them, a source's length is that of its change.
        sources: names of the sources.
        weights: what each source counts.
        most: the largest ratio that is left alone.
    """
    lengths = [_length(folders[name], folders.get("base")) for name in sources]
    moved = [length for length in lengths if length]
    ratio = max(moved) / min(moved) if moved else 1.0
    notes: dict[str, JsonValue] = {
        "of": "changes from the base" if "base" in folders else "weights",
        "lengths": dict(zip(sources, (float(f"{length:.6g}") for length in lengths), strict=True)),
        "longest_over_shortest": float(f"{ratio:.4g}"),
        "rescaled": ratio > most,
    }
    if ratio <= most:
        return Magnitudes(None, notes)
    counted = [(abs(weight), length) for weight, length in zip(weights, lengths, strict=True) if length]
    common = sum(weight for weight, _ in counted) / sum(weight / length for weight, length in counted)
    factors = [common / length if length else 1.0 for length in lengths]
    notes |= {"common_length": float(f"{common:.6g}")}
    notes |= {"factors": dict(zip(sources, (float(f"{each:.6g}") for each in factors), strict=True))}
    return Magnitudes(factors, notes)


def _length(folder: Path, base: Path | None) -> float:
    """Euclidean length of a model's weights, or of their difference from the base's, by a part of the rows."""
    own, under = tensors(folder), tensors(base) if base else {}
    mine, theirs = _Open(), _Open()
    total = 0.0
    for name, tensor in own.items():
        values = _part(mine.at(tensor.file), name)
        if base is not None:
            if name not in under or under[name].shape != tensor.shape:
                continue
            values = values - _part(theirs.at(under[name].file), name)
        total += float(values.norm()) ** 2 * math.prod(tensor.shape) / max(1, values.numel())
    return math.sqrt(total)


class _Open:
    """The file of a model that was read last: to open one takes longer than to read a part of a tensor."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.file: Any = None

    def at(self, path: Path) -> Any:
        """A file, opened; the one before it is closed first, so that a limit of memory counts one at a time."""
        from safetensors import safe_open

        if path != self.path:
            self.file = None
            self.path, self.file = path, safe_open(path, "pt")
        return self.file


def _part(file: Any, name: str) -> Any:
    """A few runs of rows, evenly spread, or all of a small tensor; what is not taken is never read from the disk."""
    import torch

    values = file.get_tensor(name)
    rows = values.shape[0] if values.dim() > 1 else 0
    each = rows // (RUNS * ONE_IN)
    starts = [rows * run // RUNS for run in range(RUNS)] if each else []
    return torch.cat([values[start : start + each] for start in starts]).float() if starts else values.float()
