"""One case as any file tells it, and how chats and values in it become text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planner.documents import canonical_json


@dataclass(frozen=True)
class Said:
    """One case as a file tells it."""

    id: str
    prompt: str
    expected: tuple[str, ...]
    prediction: str | None
    before: tuple[dict[str, str], ...] = ()
    passed: bool | None = None
    gold: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    db_id: str = ""


def turns(value: Any) -> tuple[tuple[dict[str, str], ...], str]:
    """Turns before the last request, and the request; of a text no turns and the text itself."""
    if isinstance(value, str):
        return (), value
    said = [{"role": str(turn.get("role", "user")), "content": content_of(turn.get("content"))} for turn in value]
    while said and said[-1]["role"] not in ("user", "human"):
        said.pop()
    return tuple(said[:-1]), said[-1]["content"] if said else ""


def content_of(value: Any) -> str:
    """The text of a turn: itself, or the text parts of a list."""
    if isinstance(value, list):
        return "\n".join(str(part.get("text", "")) for part in value if isinstance(part, dict) and part.get("text"))
    return "" if value is None else str(value)


def text_of(value: Any) -> str:
    """A text as it is, any other JSON value as its one text."""
    return value if isinstance(value, str) else canonical_json(value)
