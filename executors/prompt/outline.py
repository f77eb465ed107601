"""A JSON Schema said in the few words that a small model can follow."""

from __future__ import annotations

import json
from typing import Any

TYPES = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}


def outline(schema: dict[str, Any]) -> str:
    """The shape of an answer as `{"intent": "a" | "b", "slots": {"city"?: text}}`.

    What has no short form (references, combinations) is given as the schema itself, on one line.
    """
    if "enum" in schema or "const" in schema:
        return " | ".join(_json(value) for value in schema.get("enum", [schema.get("const")]))
    kind = schema.get("type")
    if kind == "object":
        return _object(schema)
    if kind == "array" and isinstance(schema.get("items"), dict):
        return "[" + outline(schema["items"]) + ", ...]"
    return TYPES[kind] if isinstance(kind, str) and kind in TYPES else _json(schema)


def _object(schema: dict[str, Any]) -> str:
    rest = schema.get("additionalProperties")
    if "properties" not in schema:
        return "{name: " + (outline(rest) if isinstance(rest, dict) and rest else "value") + "}"
    required = schema.get("required", ())
    parts = []
    for name, rule in schema["properties"].items():
        shown = outline(rule) if isinstance(rule, dict) and rule else "value"
        parts.append(f'"{name}"{"" if name in required else "?"}: {shown}')
    return "{" + ", ".join(parts) + "}"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
