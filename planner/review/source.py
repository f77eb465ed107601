"""Reads a configuration file into plain values with the line of each, and turns every way to fail into one finding."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.documents import InputError
from planner.review.json_lines import json_values
from planner.review.yaml_lines import SyntaxProblemError, yaml_values
from planner.survey.plain_text import read_text
from planner.survey.problems import pointer_to, problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# A configuration is a page of text; a plan with its record is some hundred kilobytes.
MAX_BYTES = 2 * 10**6
_SYNTAX = {".json": "JSON", ".toml": "TOML", ".yaml": "YAML", ".yml": "YAML"}


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its values and the line of each value by JSON pointer."""

    file: str
    """Path as the user gave it."""
    folder: Path
    """Where its relative paths start."""
    values: Mapping[str, Any]
    lines: Mapping[str, int]

    def line(self, pointer: str) -> int | None:
        """Line of a value, or of the nearest thing around it that has one."""
        while pointer and pointer not in self.lines:
            pointer = pointer.rpartition("/")[0]
        return self.lines.get(pointer)


def read_source(path: Path, name: str | None = None) -> Source:
    """The values of a YAML, JSON or TOML file, and where each stands.

    Args:
        path: the file.
        name: its path as the user wrote it, for messages.

    Raises:
        InputError: it is missing, too large, not UTF-8, empty, broken, holds several documents, repeats a key, unfolds
            to far more than was written, names Python objects, or is not a mapping: one finding.
    """
    name = name or str(path)
    text = read_text(path, name, code="CONF", max_bytes=MAX_BYTES)
    if not text.strip():
        raise InputError([problem("CONF020", f"`{name}` is empty.", "Give a configuration.", file=name)])
    syntax = _SYNTAX.get(path.suffix.lower()) or _guess(text)
    lines: dict[str, int] = {}
    try:
        values = {"JSON": json_values, "YAML": yaml_values, "TOML": _toml_values}[syntax](text, lines)
    except SyntaxProblemError as error:
        message = f"`{name}` is not {syntax} that can be read: {error}"
        found = problem("CONF021", message, error.fix, file=name, line=error.line)
        raise InputError([found]) from None
    except RecursionError:
        raise InputError([problem("CONF022", f"`{name}` is nested too deeply to be read.", file=name)]) from None
    if not isinstance(values, dict):
        what = "nothing" if values is None else "a list" if isinstance(values, list) else "a single value"
        message = f"`{name}` holds {what}, not settings with names."
        fix = "Write `name: value` at the top level."
        raise InputError([problem("CONF023", message, fix, file=name, line=1)])
    return Source(name, path.parent, values, lines)


def _guess(text: str) -> str:
    start = text.lstrip()
    if start.startswith("{"):
        return "JSON"
    first = next((line for line in start.splitlines() if line.strip() and not line.startswith("#")), "")
    return "TOML" if re.match(r"\[\w|[A-Za-z0-9_.\"-]+\s*=", first) else "YAML"


_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\]]+?)\s*\]")
_KEY = re.compile(r"^\s*([A-Za-z0-9_\"'-]+(?:\s*\.\s*[A-Za-z0-9_\"'-]+)*)\s*=")
_TOML_PLACE = re.compile(r" \(at (?:line (\d+), column (\d+)|end of document)\)$")


def _toml_values(text: str, lines: dict[str, int]) -> Any:
    import tomllib

    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = _TOML_PLACE.search(str(error))
        line = int(place[1]) if place and place[1] else None
        raise SyntaxProblemError(f"{_TOML_PLACE.sub('', str(error))}.", line) from None
    table, seen = "", dict[str, int]()
    for number, row in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(row):
            table = pointer_to(*_parts(header[2]))
            if header[1] == "[[":
                seen[table] = seen.get(table, -1) + 1
                table = f"{table}/{seen[table]}"
            lines.setdefault(table, number)
        elif key := _KEY.match(row):
            lines.setdefault(table + pointer_to(*_parts(key[1])), number)
    return values


def _parts(text: str) -> list[str]:
    return [part.strip().strip("\"'") for part in text.split(".")]
