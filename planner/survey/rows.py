"""The shapes of data rows: which one a row has, and its prompt and completion as plain text."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.documents import canonical_json, near
from planner.documents.comparisons import Compared, comparison, verdict
from planner.documents.public_rows import PUBLIC_SHAPES, kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# Shape to the fields that make it; the first whose fields are all there is the row's shape.
SHAPES: dict[str, tuple[str, ...]] = {
    "prompt/chosen/rejected": ("chosen", "rejected"),
    "prompt/completion/label": ("prompt", "completion", "label"),
    "messages": ("messages",),
    "conversations": ("conversations",),
    "prompt/completion": ("prompt", "completion"),
    "instruction/input/output": ("instruction", "output"),
    "prompt/label": ("prompt", "label"),
    "text/label": ("text", "label"),
    **{name: shape.fields for name, shape in PUBLIC_SHAPES.items()},
    "prompt": ("prompt",),
    "text": ("text",),
}
# What a row of each shape cannot be used without.
_OWN = {field for shape, fields in SHAPES.items() if shape not in PUBLIC_SHAPES for field in fields}
FIELDS = tuple(sorted(_OWN | {"answer", "answers", "context", "gold", "input", "query", "question"}))
ANSWERS = ("answer", "answers", "chosen", "completion", "label", "output", "rejected")
_ASSISTANT = frozenset({"assistant", "gpt", "model", "bot", "chatgpt"})


class Example(NamedTuple):
    """A row as plain text; `rejected` only for preferences."""

    prompt: str
    completion: str
    rejected: str = ""
    turns: int = 1


class RowError(Exception):
    """A row that cannot be used; the text is a clause that reads after the place."""


def shape_of(row: Mapping[str, Any]) -> str | None:
    """The shape of a row by its fields, or None when it has none that is known."""
    for shape, fields in SHAPES.items():
        if all(field in row for field in fields):
            # A label that is not a verdict is a column of the user's, such as the class.
            if shape == "prompt/completion/label" and not isinstance(row["label"], bool):
                continue
            if shape == "prompt" and any(near(str(name), ANSWERS) for name in row if name != "prompt"):
                continue
            return shape
    return None


def example_of(row: Mapping[str, Any], shape: str) -> Example:
    """The prompt and completion of a row of a known shape.

    Raises:
        RowError: a field has the wrong type, or the prompt is blank.
    """
    return _READERS[shape](row)


def _pair(row: Mapping[str, Any]) -> Example:
    return Example(_prompt(row), _answer(row, "completion"))


def _prompt(row: Mapping[str, Any]) -> str:
    value = row["prompt"]
    if isinstance(value, list):
        return _filled(_turns(value, "prompt", last_answers=False)[0], "prompt")
    return _filled(_text(row, "prompt"), "prompt")


def _answer(row: Mapping[str, Any], field: str) -> str:
    """An answer as text: a text, messages, or a JSON value that people write as it is."""
    value = row[field]
    if value is None:
        raise RowError(f"`{field}` is null")
    if isinstance(value, str):
        return value
    if isinstance(value, list) and value and isinstance(value[-1], dict) and _role(value[-1]) in _ASSISTANT:
        return _turns(value, field)[1]
    return canonical_json(value)


def _instruction(row: Mapping[str, Any]) -> Example:
    extra = row.get("input")
    if extra is not None and not isinstance(extra, str):
        raise RowError(f"`input` is {kind(extra)}, not text")
    instruction = _filled(_text(row, "instruction"), "instruction")
    return Example(f"{instruction}\n\n{extra}" if extra else instruction, _answer(row, "output"))


def _public(row: Mapping[str, Any], shape: str) -> Example:
    """A row of a public data set."""
    _names(row.get("gold"))
    try:
        prompt, answers = PUBLIC_SHAPES[shape].read(row)
    except ValueError as error:
        raise RowError(str(error)) from error
    return Example(prompt, answers[0])


def _names(gold: Any) -> None:
    """Refuse what cannot name the documents that hold the answer."""
    names = gold if isinstance(gold, list) else [gold]
    if gold is not None and not all(isinstance(name, str | int) for name in names):
        raise RowError(f"`gold` is {kind(gold)}, not the id of a document or a list of them")


def _text_only(row: Mapping[str, Any]) -> Example:
    return Example("", _filled(_text(row, "text"), "text"))


def _compared(row: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Compared]) -> Example:
    """A row that compares two answers, or judges one."""
    try:
        before, prompt, chosen, rejected = read(row)
    except ValueError as error:
        raise RowError(str(error)) from error
    asked = "\n".join([*(turn["content"] for turn in before), prompt])
    return Example(asked, rejected or "" if chosen is None else chosen, "" if chosen is None else rejected or "")


def _messages(row: Mapping[str, Any]) -> Example:
    field = "messages" if "messages" in row else "conversations"
    turns = row[field]
    prompt, answer = _turns(turns, field)
    return Example(_filled(prompt, field), answer, turns=sum(_role(turn) in _ASSISTANT for turn in turns))


def _turns(turns: Any, field: str, *, last_answers: bool = True) -> tuple[str, str]:
    """The text before the last answer, and the last answer (empty when the last turn is not the assistant's)."""
    if not isinstance(turns, list):
        raise RowError(f"`{field}` is {kind(turns)}, not a list of messages")
    if not turns:
        raise RowError(f"`{field}` is an empty list")
    texts = [_content(turn, field, index) for index, turn in enumerate(turns)]
    if last_answers and _role(turns[-1]) in _ASSISTANT:
        return "\n".join(texts[:-1]), texts[-1]
    return "\n".join(texts), ""


def _content(turn: Any, field: str, index: int) -> str:
    if not isinstance(turn, dict):
        raise RowError(f"`{field}[{index}]` is {kind(turn)}, not an object with role and content")
    role = turn.get("role", turn.get("from"))
    if not isinstance(role, str) or not role:
        raise RowError(f"`{field}[{index}]` has no role")
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    if content is None and turn.get("tool_calls"):
        return json.dumps(turn["tool_calls"], ensure_ascii=False)
    if not isinstance(content, str):
        raise RowError(f"`{field}[{index}]` has no content")
    return content


def _role(turn: Any) -> str:
    return str(turn.get("role", turn.get("from", ""))).lower() if isinstance(turn, dict) else ""


def _text(row: Mapping[str, Any], field: str) -> str:
    value = row[field]
    if not isinstance(value, str):
        raise RowError(f"`{field}` is {kind(value)}, not text")
    return value


def _filled(text: str, field: str) -> str:
    if not text or text.isspace():
        raise RowError(f"`{field}` is blank")
    return text


_READERS: dict[str, Callable[[Mapping[str, Any]], Example]] = {
    "prompt/chosen/rejected": partial(_compared, read=comparison),
    "prompt/completion/label": partial(_compared, read=verdict),
    "messages": _messages,
    "conversations": _messages,
    "prompt/completion": _pair,
    "instruction/input/output": _instruction,
    "prompt/label": lambda row: Example(_prompt(row), _answer(row, "label")),
    "text/label": lambda row: Example(_filled(_text(row, "text"), "text"), _answer(row, "label")),
    **{name: partial(_public, shape=name) for name in PUBLIC_SHAPES},
    "prompt": lambda row: Example(_prompt(row), ""),
    "text": _text_only,
}
