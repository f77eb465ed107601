"""JSON into plain values with the line of each."""

from __future__ import annotations

import json
import math
import re
from typing import Any, NoReturn

from planner.review.yaml_lines import MAX_DEPTH, SyntaxProblemError
from planner.survey.problems import shown

_SPACE = re.compile(r"[ \t\r\n]*")
_PLAIN = re.compile(r"[^\s,\]}]+")


def json_values(text: str, lines: dict[str, int]) -> Any:
    """The value of a JSON text; `lines` is filled with the line of each value by JSON pointer.

    Raises:
        SyntaxProblemError: broken syntax, a repeated key, NaN or Infinity, or too deep nesting.
    """
    try:
        values = json.loads(text, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)
    except json.JSONDecodeError as error:
        raise SyntaxProblemError(f"{error.msg} (column {error.colno}).", error.lineno) from None
    except SyntaxProblemError as error:
        word = str(error).split("`")[1]
        error.line = _line_of(text, word)
        raise
    except ValueError as error:
        raise SyntaxProblemError(f"{shown(str(error))}.") from None
    _Places(text, lines).value(0, "", 0)
    return values


def _pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for key, value in items:
        if key in made:
            raise SyntaxProblemError(f"the key `{shown(key)}` is written twice in one object.", fix="Keep one.")
        made[key] = value
    return made


def _float(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _constant(text)


def _constant(word: str) -> NoReturn:
    raise SyntaxProblemError(f"`{word}` is not a JSON value.", fix="Write a number or null.")


def _line_of(text: str, word: str) -> int | None:
    """The line where a word stands last: of a repeated key the repetition, unless other objects have it too."""
    at = text.rfind(word)
    return text.count("\n", 0, at) + 1 if at >= 0 else None


def _text_at(text: str, at: int) -> tuple[str, int]:
    """The string whose opening quote stands at a position, and where it ends."""
    value, end = json.JSONDecoder().raw_decode(text, at)
    return str(value), end


class _Places:
    """Walks a text that is known to be JSON and notes where each value starts."""

    def __init__(self, text: str, lines: dict[str, int]) -> None:
        self._text = text
        self._lines = lines
        self._line, self._counted = 1, 0

    def _here(self, at: int) -> int:
        self._line += self._text.count("\n", self._counted, at)
        self._counted = at
        return self._line

    def _skip(self, at: int) -> int:
        match = _SPACE.match(self._text, at)
        return match.end() if match else at

    def value(self, at: int, pointer: str, depth: int) -> int:
        """Note the value that starts at or after a position, and return where it ends."""
        if depth > MAX_DEPTH:
            raise SyntaxProblemError(f"it is nested more than {MAX_DEPTH} levels deep.", self._here(at))
        at = self._skip(at)
        self._lines.setdefault(pointer, self._here(at))
        opening = self._text[at]
        if opening == '"':
            return _text_at(self._text, at)[1]
        if opening not in "{[":
            match = _PLAIN.match(self._text, at)
            return match.end() if match else at + 1
        closing, index = ("}" if opening == "{" else "]"), 0
        at = self._skip(at + 1)
        while self._text[at] != closing:
            name = str(index)
            if opening == "{":
                name, at = _text_at(self._text, at)
                name = name.replace("~", "~0").replace("/", "~1")
                self._lines[f"{pointer}/{name}"] = self._here(at)
                at = self._skip(at) + 1
            at = self._skip(self.value(at, f"{pointer}/{name}", depth + 1))
            index += 1
            if self._text[at] == ",":
                at = self._skip(at + 1)
        return at + 1
