"""Splits one data file into training, validation and test rows: the same split every time, and no prompt in two."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from planner.documents import InputError
from planner.survey.data_reader import digest_of
from planner.survey.jsonl import JsonLines
from planner.survey.problems import problem, raise_errors
from planner.survey.rows import RowError, example_of, shape_of

if TYPE_CHECKING:
    from pathlib import Path

SHARES = {"test": 0.1, "validation": 0.1}
"""Shares of the prompts; what is left is for training."""
FEWEST_PROMPTS = 10


class Split(NamedTuple):
    """Rows by role, in the order of the file."""

    train: list[dict[str, Any]]
    validation: list[dict[str, Any]]
    test: list[dict[str, Any]]


def split_rows(path: Path) -> Split:
    """The rows of a file in three parts.

    Rows with the same prompt, but for case and spacing, stay together. Which part a prompt goes to follows from its
    digest alone, so neither the order of the file nor a seed matters.

    Raises:
        InputError: the file cannot be read, or has too few different prompts to be split.
    """
    lines = JsonLines(path, str(path))
    rows = [row for _, row in lines.rows()]
    raise_errors(lines.finish())
    keys = [_key(row) for row in rows]
    order = sorted(set(keys))
    if len(order) < FEWEST_PROMPTS:
        message = f"{path} has {len(order)} different prompts, too few to be split."
        raise InputError([problem("INIT002", message, f"It takes {FEWEST_PROMPTS} or more.", file=str(path))])
    roles: dict[bytes, str] = {}
    start = 0
    for role, share in SHARES.items():
        count = max(1, round(share * len(order)))
        roles |= dict.fromkeys(order[start : start + count], role)
        start += count
    parts: dict[str, list[dict[str, Any]]] = {"train": [], "validation": [], "test": []}
    for row, key in zip(rows, keys, strict=True):
        parts[roles.get(key, "train")].append(row)
    return Split(**parts)


def _key(row: dict[str, Any]) -> bytes:
    """The digest of a row's prompt; of its text where that is all it has."""
    shape = shape_of(row)
    if shape is None:
        return digest_of(str(sorted(row.items())))
    try:
        example = example_of(row, shape)
    except RowError:
        return digest_of(str(sorted(row.items())))
    return digest_of(example.completion if shape == "text" else example.prompt)
