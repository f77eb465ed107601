"""Rows as other tools are given them: turns of a conversation and an answer, a comparison, or plain text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.data import read_rows
from executors.prompt.render import messages, render
from executors.retrieve.documents import Unreadable, read_documents
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from executors.data import Row
    from executors.prompt.document import Prompt

Turn = dict[str, str]


@dataclass(frozen=True)
class Told:
    """One example."""

    turns: tuple[Turn, ...]
    """The conversation up to the request; empty for plain text."""
    answer: str
    """The answer that is learned; of plain text all of it."""
    worse: str | None = None
    """The answer that lost a comparison."""
    plain: str | None = None
    """The request as a model without chat template reads it; without turns, the answer follows letter upon letter."""
    good: bool | None = None
    """Of a single answer that was judged, whether it is good."""

    @property
    def continued(self) -> str:
        """The answer as it continues a plain request: behind a space, unless the request says where it begins."""
        return f" {self.answer}" if self.turns else self.answer


class _NoTemplate:
    """Stands for the tokenizer of a base model."""

    chat_template = None


def told(rows: Sequence[Row], prompt: Prompt, *, chat: bool, file: Path) -> list[Told]:
    """Rows as training renders them, the prompt's instruction before each request.

    Args:
        rows: with answers.
        prompt: the prompt that training and serving share.
        chat: whether the model has a chat template; without one the request is text.
        file: where the rows come from.

    Raises:
        InputError: rows without an answer, named by line.
    """
    unanswered = [row.id for row in rows if not row.completion]
    if unanswered:
        message = f"{len(unanswered)} rows have no answer, such as {unanswered[0]}."
        raise InputError.one("EXPORT003", message, "Train on rows with answers.", file=str(file))
    return [
        Told(tuple(messages(prompt, row)), row.completion or "", None, _plain(prompt, row, chat=chat)) for row in rows
    ]


def _plain(prompt: Prompt, row: Row, *, chat: bool) -> str | None:
    return None if chat else render(_NoTemplate(), prompt, row)


def comparisons(file: Path, prompt: Prompt, *, single: bool, chat: bool) -> list[Told]:
    """Rows that compare two answers, or those that judge one where the loss takes single answers.

    Raises:
        InputError: naming each row that does not hold what the loss compares.
    """
    rows, wrong, made = read_rows(file), list[str](), list[Told]()
    for row in rows:
        turns, plain = tuple(messages(prompt, row)), _plain(prompt, row, chat=chat)
        if single:
            judged = [(row.completion, True), (row.rejected, False)]
            made += [Told(turns, text, None, plain, good) for text, good in judged if text is not None]
        elif row.completion and row.rejected and row.completion != row.rejected:
            made.append(Told(turns, row.completion, row.rejected, plain))
        else:
            wrong.append(row.id)
    if wrong:
        message = f"{len(wrong)} rows do not hold two different answers, such as {wrong[0]}."
        raise InputError.one("EXPORT003", message, "Give prompt, chosen and rejected, all different.", file=str(file))
    return made


def texts(file: Path, share: float) -> tuple[list[Told], list[Told]]:
    """The documents of a file or folder, whole: those to learn, and a share of them, spread evenly, to validate with.

    Raises:
        InputError: none can be read.
    """
    found = [one for one in read_documents(file) if not isinstance(one, Unreadable)]
    if not found:
        raise InputError.one("EXPORT003", "The documents hold no text.", "Name files with text.", file=str(file))
    made = [Told((), one.text) for one in found]
    count = min(round(len(made) * share), len(made) - 1)
    held = {round((number + 0.5) * len(made) / count - 0.5) for number in range(count)}
    return [one for at, one in enumerate(made) if at not in held], [made[at] for at in sorted(held)]


def jsonl(records: Iterable[dict[str, Any]]) -> str:
    """JSON Lines, readable letters kept."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def assistant(content: str) -> Turn:
    """A turn of the model."""
    return {"role": "assistant", "content": content}
