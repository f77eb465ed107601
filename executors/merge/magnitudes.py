"""How long the sources of a merge are, and what brings those that differ much to one length."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from executors.merge.sources import tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from executors.merge.sources import Tensor
    from planner.documents import JsonValue

# Every so manieth row of a matrix is looked at: the length of millions of numbers is known from a part of them.
STRIDE = 16


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
    """Euclidean length of a model's weights, or of their difference from the base's."""
    own, under = tensors(folder), tensors(base) if base else None
    total = 0.0
    for name, tensor in own.items():
        if under is None:
            total += _squares(tensor, None, name)
        elif name in under and under[name].shape == tensor.shape:
            total += _squares(tensor, under[name], name)
    return float(total**0.5)


def _squares(tensor: Tensor, under: Tensor | None, name: str) -> float:
    """Sum of the squares of a tensor's numbers, by a part of its rows where it has many."""
    from safetensors import safe_open

    step = STRIDE if tensor.shape and tensor.shape[0] > STRIDE * STRIDE else 1
    with safe_open(tensor.file, "pt") as file:
        values = file.get_tensor(name)[::step].float()
    if under is not None:
        with safe_open(under.file, "pt") as file:
            values -= file.get_tensor(name)[::step].float()
    seen = values.shape[0] if tensor.shape else 1
    return float(values.norm()) ** 2 * (tensor.shape[0] / seen if tensor.shape else 1)
