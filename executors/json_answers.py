"""JSON in the text of a model: strictly the whole text, or leniently the first object found in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

from planner.documents import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.documents import JsonValue


class Missing:
    """Stands for no JSON at all, where null would be a value."""


MISSING = Missing()


def _refuse(word: str) -> NoReturn:
    raise ValueError(f"{word} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def parse_strict(text: str) -> JsonValue | Missing:
    """The value when the whole text, spaces around it aside, is JSON."""
    try:
        value: JsonValue = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return MISSING
    return value


def parse_lenient(text: str) -> JsonValue | Missing:
    """The whole text as JSON, else the first object that stands in it."""
    whole = parse_strict(text)
    if not isinstance(whole, Missing):
        return whole
    start = text.find("{")
    while start >= 0:
        try:
            value: JsonValue = _DECODER.raw_decode(text, start)[0]
        except (ValueError, RecursionError):
            start = text.find("{", start + 1)
        else:
            return value
    return MISSING


def same(one: JsonValue, other: JsonValue) -> bool:
    """Whether two values are the same JSON; the order of names does not count, and true is not 1."""
    return canonical_json(one) == canonical_json(other)


def label_property(schema: dict[str, Any] | None) -> str | None:
    """The top-level property that carries the label: the first one whose values the schema lists."""
    properties = (schema or {}).get("properties", {})
    return next((name for name, rule in properties.items() if isinstance(rule, dict) and "enum" in rule), None)


def label_of(value: JsonValue | Missing, name: str | None) -> str | None:
    """The label in an answer's label property; None where there is none."""
    if name is None or not isinstance(value, dict) or name not in value:
        return None
    found = value[name]
    return found if isinstance(found, str) else canonical_json(found)


def leaves(value: JsonValue | Missing, *, leave_out: str | None = None) -> list[tuple[str, str]]:
    """Every value inside an object with its path, the label property aside; upper and lower case are one."""
    if not isinstance(value, dict):
        return []
    return [pair for name, item in value.items() if name != leave_out for pair in _leaves(name, item)]


def _leaves(path: str, value: JsonValue) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(f"{path}.{name}", item)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(f"{path}[]", item)
    else:
        yield path, (value.strip() if isinstance(value, str) else canonical_json(value)).casefold()
