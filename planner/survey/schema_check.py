"""Whether a value is a JSON Schema: at once for everyday keywords, by jsonschema for the rest."""

from __future__ import annotations

import re
from typing import Any

_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


def schema_problem(schema: Any) -> tuple[str, str] | None:
    """The JSON pointer into the schema and a sentence about it, or None when it is valid (draft 2020-12)."""
    # Importing jsonschema takes as long as the rest of a plan: it is asked only where the short test cannot tell.
    if _plainly_valid(schema):
        return None
    from jsonschema import Draft202012Validator
    from jsonschema.exceptions import best_match

    error = best_match(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema))
    if error is None:
        return None
    pointer = "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in error.absolute_path)
    if pointer.endswith("/type"):
        return pointer, f"{error.instance!r} is no type; the types are {', '.join(sorted(_TYPES))}."
    return pointer, f"{error.message}."


def _plainly_valid(schema: Any) -> bool:
    if isinstance(schema, bool):
        return True
    if not isinstance(schema, dict):
        return False
    return all(keyword in _TESTS and _TESTS[keyword](value) for keyword, value in schema.items())


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_type(value: Any) -> bool:
    if isinstance(value, list):
        return (
            bool(value) and all(_is_text(each) and each in _TYPES for each in value) and len(set(value)) == len(value)
        )
    return _is_text(value) and value in _TYPES


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and len(set(value)) == len(value)


def _are_schemas(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_plainly_valid, value.values()))


def _is_schema_list(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_plainly_valid, value))


def _is_pattern(value: Any) -> bool:
    try:
        re.compile(value)
    except (TypeError, re.error):
        return False
    return True


_TESTS = {
    "$schema": lambda value: value == "https://json-schema.org/draft/2020-12/schema",
    "$defs": _are_schemas,
    "additionalProperties": _plainly_valid,
    "allOf": _is_schema_list,
    "anyOf": _is_schema_list,
    "const": lambda _: True,
    "default": lambda _: True,
    "description": _is_text,
    "enum": lambda value: isinstance(value, list),
    "examples": lambda value: isinstance(value, list),
    "items": _plainly_valid,
    "maxItems": _is_count,
    "maxLength": _is_count,
    "maximum": _is_number,
    "minItems": _is_count,
    "minLength": _is_count,
    "minProperties": _is_count,
    "minimum": _is_number,
    "oneOf": _is_schema_list,
    "pattern": _is_pattern,
    "properties": _are_schemas,
    "required": _is_names,
    "title": _is_text,
    "type": _is_type,
}
