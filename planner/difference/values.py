"""Where two JSON values differ, as pointers with both values."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.documents import JsonValue


def differing(old: JsonValue, new: JsonValue, pointer: str = "") -> Iterator[tuple[str, JsonValue, JsonValue]]:
    """Every place that differs: the pointer, the old and the new value, null where there is none.

    Objects are compared by key. Lists of objects are compared by place, as specs and plans append to them; other lists
    are one value.
    """
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys((*old, *new)):
            yield from differing(old.get(key), new.get(key), f"{pointer}/{escaped(key)}")
    elif _are_objects(old) and _are_objects(new) and isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            one = old[index] if index < len(old) else None
            two = new[index] if index < len(new) else None
            yield from differing(one, two, f"{pointer}/{index}")
    elif type(old) is not type(new) or old != new:
        yield pointer, old, new


def escaped(key: str) -> str:
    """A key as it stands in a JSON pointer (RFC 6901)."""
    return key.replace("~", "~0").replace("/", "~1")


def _are_objects(value: JsonValue) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def said(value: JsonValue) -> str:
    """A value in a sentence."""
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ", ".join(map(said, value)) or "nothing"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
