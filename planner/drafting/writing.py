"""A spec as YAML, with the reason behind every guess on its line."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.drafting.document import Draft

HEAD = "# A first spec. Lines with `guess:` are guesses: check them, and delete the comment.\n"
# Words that need no quotes; YAML 1.1 reads some bare words as true, false or nothing.
BARE = re.compile(r"[A-Za-z][A-Za-z0-9_./ -]*[A-Za-z0-9]")
NOT_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
LONGEST_LINE, LONGEST_OBJECT = 100, 60


def spec_as_yaml(draft: Draft) -> str:
    """The spec of a draft as YAML text, which reads back as the same values."""
    comments = {guess.pointer: guess.because for guess in draft.guesses}
    notes = "".join(f"# {_one_line(note)}\n" for note in draft.notes)
    return HEAD + notes + "\n".join(_object(draft.spec, "", 0, comments)) + "\n"


def _object(values: Mapping[str, Any], pointer: str, depth: int, comments: Mapping[str, str]) -> Iterator[str]:
    for key, value in values.items():
        here = f"{pointer}/{key}"
        because = comments.get(here)
        remark = f"  # guess: {_one_line(because)}" if because else ""
        yield from _field(_scalar(key), value, here, depth, remark, comments)


def _field(key: str, value: Any, pointer: str, depth: int, remark: str, comments: Mapping[str, str]) -> Iterator[str]:
    indent = "  " * depth
    flow = _flow(value) if depth or not isinstance(value, dict) else None
    if flow is not None and len(indent) + len(key) + len(flow) <= LONGEST_LINE:
        yield f"{indent}{key}: {flow}{remark}"
    elif isinstance(value, dict):
        yield f"{indent}{key}:{remark}"
        yield from _object(value, pointer, depth + 1, comments)
    elif isinstance(value, list):
        yield f"{indent}{key}:{remark}"
        for item in value:
            yield from _item(item, depth + 1)
    else:
        yield f"{indent}{key}: {_scalar(value)}{remark}"


def _item(value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if isinstance(value, dict) and value:
        lines = list(_object(value, "", depth + 1, {}))
        yield f"{indent}- {lines[0].lstrip()}"
        yield from lines[1:]
    else:
        yield f"{indent}- {json.dumps(value, ensure_ascii=False) if isinstance(value, list) else _scalar(value)}"


def _flow(value: Any) -> str | None:
    """A value on one line, or None when it takes several."""
    if isinstance(value, dict):
        parts = {_scalar(key): _flow(item) for key, item in value.items()}
        short = all(part is not None for part in parts.values()) and len(str(value)) <= LONGEST_OBJECT
        return "{" + ", ".join(f"{key}: {part}" for key, part in parts.items()) + "}" if short else None
    if isinstance(value, list):
        plain = not any(isinstance(item, dict | list) for item in value)
        return f"[{', '.join(_scalar(item) for item in value)}]" if plain else None
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A value as YAML and, when it is in quotes, as JSON writes it."""
    if isinstance(value, str) and BARE.fullmatch(value) and value.lower() not in NOT_TEXT:
        return value
    text = json.dumps(value, ensure_ascii=False)
    if isinstance(value, float) and "." not in text:
        return text.replace("e", ".0e")
    return "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)


def _one_line(text: str) -> str:
    return " ".join(text.split())
