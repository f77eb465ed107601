"""Small rule books on facts of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError
from planner.facts import Board, Fact, Unknown
from planner.rules import compile_books
from planner.rules import table as table_module
from planner.rules.reading import read_user_book

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Finding
    from planner.rules import Table

HEAD = 'book = "mine"\nversion = "1"\n'
# Names of the facts that the books may read, with their kinds.
KINDS = {"size": "number", "speed": "number", "colour": "word", "ready": "bool"}


def decision(name: str, answers: str = '["a", "b", "c"]', more: str = "") -> str:
    return f'[decision.{name}]\nasks = "?"\nanswers = {answers}\nbecause = "nothing else is known"\n{more}\n'


def rule(number: int, when: str, answer: str = 'answer = "a"', decides: str = "choice", name: str = "") -> str:
    name = name or f"reason {number}"
    return f"""
[[rule]]
id = "TST{number:03}"
name = "{name}"
decides = "{decides}"
{answer}
when = {when}
why = "It is so."
cite = ["book:lora"]
since = "0.1"
examples = [{{ given = {{}}, holds = true }}, {{ given = {{}}, holds = false }}]
"""


def facts_of(values: dict[str, Any] | None = None) -> dict[str, Fact]:
    """The facts of the books, each with a fixed value or unknown."""
    known = values or {}

    def entry(name: str, kind: str) -> Fact:
        value = known.get(name, Unknown(f"nobody measured {name}"))
        return Fact(name, lambda: value, (), frozenset(), kind, "", ())

    return {name: entry(name, kind) for name, kind in KINDS.items()}


def board(**values: Any) -> Board:
    return Board({}, facts_of(values))


def table(folder: Path, monkeypatch: pytest.MonkeyPatch, *parts: str) -> Table:
    """The compiled table of a book of these parts, over the small facts; its examples are not looked at."""
    monkeypatch.setattr(table_module, "FACTS", facts_of())
    path = folder / "book.toml"
    path.write_text(HEAD + "".join(parts), encoding="utf-8")
    book, found, _ = read_user_book(path)
    assert not found, found
    return compile_books((book,))


def problems(folder: Path, monkeypatch: pytest.MonkeyPatch, *parts: str) -> tuple[Finding, ...]:
    """The findings of a book that must be refused."""
    with pytest.raises(InputError) as caught:
        table(folder, monkeypatch, *parts)
    assert caught.value.exit_code == 2
    return caught.value.findings
