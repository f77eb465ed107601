"""Rows as other tools are given them: turns of a conversation and an answer, a comparison, or plain text."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from executors.data import read_rows
from executors.prompt.render import messages, render, rendered
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
    learned_from: int | None = None
    """The turn from which on earlier answers are learned as well; None where the last answer alone is."""

    @property
    def continued(self) -> str:
        """The answer as it continues a plain request: behind a space, unless the request says where it begins."""
        return f" {self.answer}" if self.turns else self.answer

    @property
    def earlier(self) -> list[int]:
        """The turns before the last answer that are answers to learn."""
        return [at for at in range(self.learned_from or 0, len(self.turns)) if self.learns(at)]

    def learns(self, at: int) -> bool:
        """Whether a turn is an answer that is learned."""
        return self.learned_from is not None and at >= self.learned_from and self.turns[at]["role"] == "assistant"

    def apart(self) -> list[Told]:
        """A row for each answer that is learned, behind the turns that stand before it."""
        rows = []
        for at in self.earlier:
            before = self.turns[:at]
            plain = None if self.plain is None else rendered(_NoTemplate(), list(before))
            rows.append(Told(before, self.turns[at]["content"], None, plain))
        return [*rows, replace(self, learned_from=None)]


class _NoTemplate:
    """Stands for the tokenizer of a base model."""

    chat_template = None


def told(rows: Sequence[Row], prompt: Prompt, *, chat: bool, every: bool, file: Path) -> list[Told]:
    """Rows as training renders them, the prompt's instruction before each request.

    Args:
        rows: with answers.
        prompt: the prompt that training and serving share.
        chat: whether the model has a chat template; without one the request is text.
        every: whether all answers of a conversation are learned, not the last alone.
        file: where the rows come from.

    Raises:
        InputError: rows without an answer, named by line.
    """
    unanswered = [row.id for row in rows if not row.completion]
    if unanswered:
        message = f"{len(unanswered)} rows have no answer, such as {unanswered[0]}."
        raise InputError.one("EXPORT003", message, "Train on rows with answers.", file=str(file))
    made = []
    for row in rows:
        turns = tuple(messages(prompt, row))
        # Examples of the prompt are shown, not learned.
        first = int(turns[0]["role"] == "system") + 2 * len(prompt.examples) if every else None
        made.append(Told(turns, row.completion or "", None, _plain(prompt, row, chat=chat), learned_from=first))
    return made


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
