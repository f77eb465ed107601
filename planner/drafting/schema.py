"""A JSON Schema inferred from answers: top-level keys, their types, and short closed lists of words."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_KEYS = 40
MAX_WORDS = 20
# A text is one of a list when each of its words comes up this often on average.
ROWS_PER_WORD = 5
TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


def parsed(texts: Sequence[str]) -> list[Any]:
    """The answers as JSON values; those that are none are left out."""
    values = []
    for text in texts:
        try:
            values.append(json.loads(text))
        except (ValueError, RecursionError):
            continue
    return values


def infer_schema(values: Sequence[Any], *, is_complete: bool) -> dict[str, Any] | None:
    """The schema of JSON answers, or None when they have no simple one.

    Args:
        values: the answers.
        is_complete: whether these are all answers; only then are lists of words closed.
    """
    if not values or not all(isinstance(value, dict) for value in values):
        return None
    keys = Counter(key for value in values for key in value)
    if not keys or len(keys) > MAX_KEYS:
        return None
    fields = {key: _field([value[key] for value in values if key in value], is_complete) for key in sorted(keys)}
    required = sorted(key for key, count in keys.items() if count == len(values))
    return {"type": "object", "properties": fields, "required": required}


def _field(values: Sequence[Any], is_complete: bool) -> dict[str, Any]:  # noqa: FBT001 - passed on
    types = _types(values)
    made: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
    if types == ["string"] and is_complete:
        words = sorted(set(values))
        if len(words) <= MAX_WORDS and len(values) >= ROWS_PER_WORD * len(words):
            made["enum"] = words
    if types == ["array"]:
        items = _types([item for value in values for item in value])
        if len(items) == 1:
            made["items"] = {"type": items[0]}
    if types == ["object"]:
        inner: dict[str, list[Any]] = {}
        for value in values:
            for key, item in value.items():
                inner.setdefault(key, []).append(item)
        if len(inner) <= MAX_KEYS:
            made["properties"] = {key: _typed(items) for key, items in sorted(inner.items())}
    return made


def _typed(values: Sequence[Any]) -> dict[str, Any]:
    types = _types(values)
    return {"type": types[0] if len(types) == 1 else types}


def _types(values: Sequence[Any]) -> list[str]:
    """The JSON types of values; whole numbers among others are numbers."""
    found = {"null" if value is None else TYPES[type(value)] for value in values}
    if "number" in found:
        found.discard("integer")
    return sorted(found)
