"""Whether models come from one base, by what their weights say and not by their names."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.merge.sources import OF_TOKENS, tensors
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from executors.merge.sources import Tensor

# Matrices of two trainings are as good as orthogonal, about one over the root of their size; finetunes stay near.
LEAST_COSINE = 0.1
# Matrices to look at, and rows of each: enough to tell, and read at once from any size of model.
LOOKED_AT, ROWS = 3, 512
SMALLEST = 1024


def check_kin(folders: Mapping[str, Path]) -> None:
    """Refuse a model whose matrices point elsewhere than those of the others.

    Args:
        folders: name of each model to its folder, all of one shape; the base where there is one, else the first, is
            what the others are compared with.

    Raises:
        InputError: a model has another base.
    """
    first = "base" if "base" in folders else next(iter(folders))
    measure = tensors(folders[first])
    for name, folder in folders.items():
        if name == first:
            continue
        other = tensors(folder)
        found = [cosine for key in _matrices(measure, other) if (cosine := _cosine(measure[key], other[key], key))]
        if found and max(found) < LEAST_COSINE:
            message = (
                f"{name} and {first} do not come from one base: the cosine of their matrices is at most "
                f"{max(found):.2f}, as it is between trainings that share nothing."
            )
            fix = "Merge finetunes of one base, or match their units first: `merge_alignment: permutation`."
            raise InputError.one("MERGE021", message, fix, file=str(folder))


def _matrices(one: Mapping[str, Tensor], two: Mapping[str, Tensor]) -> list[str]:
    """Names of a few matrices, spread over the layers; rows of tokens aside, as vocabularies may differ."""
    names = sorted(
        name
        for name, (_, shape) in one.items()
        if len(shape) == 2  # noqa: PLR2004 - a matrix
        and shape[0] * shape[1] >= SMALLEST
        and not name.endswith(OF_TOKENS)
        and name in two
        and two[name].shape == shape
    )
    return names[:: max(1, len(names) // LOOKED_AT)]


def _cosine(one: Tensor, two: Tensor, name: str) -> float | None:
    """Cosine of the first rows of two matrices; None where one of them is nothing or not finite."""
    left, right = (_rows(each, name) for each in (one, two))
    length = float(left.norm() * right.norm())
    found = float((left * right).sum()) / length if length else float("nan")
    return found if abs(found) <= 1 + LEAST_COSINE else None


def _rows(tensor: Tensor, name: str) -> Any:
    from safetensors import safe_open

    with safe_open(tensor.file, "pt") as file:
        return file.get_slice(name)[:ROWS].double()
