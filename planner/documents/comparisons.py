"""Rows that compare two answers, or judge one, in the shapes that people have: brought to a conversation and answers.

The conversation may stand beside the answers (`prompt`, `instruction`, `question`, `conversations`), or at the start
of both (messages as in UltraFeedback, transcripts as in HH-RLHF).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from planner.documents.base import canonical_json

if TYPE_CHECKING:
    from collections.abc import Mapping

    Row = Mapping[str, Any]
    Turn = dict[str, str]

ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant", "chatgpt": "assistant"}
# Fields that hold what was asked, where the answers do not begin with it.
GIVEN = ("prompt", "messages", "conversations", "instruction", "question")
# Turns of a transcript begin so, each after an empty line.
SPEAKERS = re.compile(r"(?:^|\n\n)(Human|Assistant):")


class Compared(NamedTuple):
    """What was asked, and the answers that people judged."""

    before: tuple[Turn, ...]
    """Turns before the request, as `role` and `content`."""
    prompt: str
    chosen: str | None
    """The better answer; None where the row says of one answer alone that it is bad."""
    rejected: str | None


def comparison(row: Row) -> Compared:
    """A row with `chosen` and `rejected`.

    Raises:
        ValueError: an answer is none, or nothing or two things were asked; the message is a clause.
    """
    (start, chosen), (other, rejected) = _side(row, "chosen"), _side(row, "rejected")
    if start and other and start != other:
        raise ValueError("`chosen` and `rejected` answer different conversations")
    return _asked(row, start or other, chosen, rejected)


def verdict(row: Row) -> Compared:
    """A row with `completion` and `label`, which is true for a good answer.

    Raises:
        ValueError: the answer is none, or nothing was asked; the message is a clause.
    """
    start, answer = _side(row, "completion")
    return _asked(row, start, answer if row["label"] else None, None if row["label"] else answer)


def _asked(row: Row, start: list[Turn], chosen: str | None, rejected: str | None) -> Compared:
    turns = start or _given(row)
    system = row.get("system")
    if isinstance(system, str) and system.strip() and turns and turns[0]["role"] != "system":
        turns = [{"role": "system", "content": system}, *turns]
    if not turns:
        raise ValueError("the row has no prompt, and its answers do not begin with one")
    if turns[-1]["role"] != "user":
        raise ValueError("the answers do not follow a turn of the user")
    if not turns[-1]["content"].strip():
        raise ValueError("`prompt` is blank")
    return Compared(tuple(turns[:-1]), turns[-1]["content"], chosen, rejected)


def _given(row: Row) -> list[Turn]:
    """The conversation that stands beside the answers."""
    name = next((name for name in GIVEN if row.get(name)), "")
    value = row.get(name)
    if value is None:
        return []
    if isinstance(value, list):
        return _turns(value, name)
    if not isinstance(value, str):
        raise ValueError(f"`{name}` is neither text nor a list of messages")  # noqa: TRY004 - one error for all
    if name == "instruction" and isinstance(row.get("input"), str) and row["input"]:
        return [{"role": "user", "content": f"{value}\n\n{row['input']}"}]
    return _transcript(value) or [{"role": "user", "content": value}]


def _side(row: Row, field: str) -> tuple[list[Turn], str]:
    """The conversation that an answer begins with, empty where it is the answer alone; and the answer."""
    value = row[field]
    if isinstance(value, dict) and ("content" in value or "value" in value):
        value = [value]
    if isinstance(value, list) and value and isinstance(value[0], dict) and ("role" in value[0] or "from" in value[0]):
        turns = _turns(value, field)
    elif value is None:
        raise ValueError(f"`{field}` is null")
    else:
        text = value if isinstance(value, str) else canonical_json(value)
        turns = _transcript(text) or [{"role": "assistant", "content": text}]
    if turns[-1]["role"] != "assistant":
        raise ValueError(f"`{field}` does not end with a turn of the assistant")
    return turns[:-1], turns[-1]["content"]


def _turns(value: list[Any], field: str) -> list[Turn]:
    turns = []
    for number, turn in enumerate(value):
        role = turn.get("role", turn.get("from")) if isinstance(turn, dict) else None
        content = turn.get("content", turn.get("value")) if isinstance(turn, dict) else None
        if isinstance(content, list):
            content = "\n".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
        role = ROLES.get(str(role).lower(), str(role).lower())
        if not isinstance(content, str) or role not in ("system", "user", "assistant"):
            raise ValueError(f"`{field}[{number}]` is no message with a role (system, user, assistant) and content")
        turns.append({"role": role, "content": content})
    return turns


def _transcript(text: str) -> list[Turn]:
    """The turns of a text that begins with `Human:`; none of another text."""
    if not re.match(r"\s*Human:", text):
        return []
    _, *parts = SPEAKERS.split(f"\n\n{text.lstrip()}")
    turns = [
        {"role": "user" if speaker == "Human" else "assistant", "content": said.strip()}
        for speaker, said in zip(parts[::2], parts[1::2], strict=True)
    ]
    # A prompt may end with the word that opens the answer.
    opened = turns[-1] == {"role": "assistant", "content": ""} and len(turns) > 1
    return turns[:-1] if opened else turns
