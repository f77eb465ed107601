"""Rows as tokens: the prompt rendered as serving renders it, the answer with its end token, and the labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.prompt.render import completion_ids, prompt_ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.data import Row
    from executors.prompt.document import Prompt

IGNORED = -100


@dataclass(frozen=True)
class Example:
    """One row as tokens."""

    id: str
    ids: list[int]
    prompt_tokens: int

    @property
    def tokens(self) -> int:
        """Tokens that a forward pass reads."""
        return len(self.ids)

    @property
    def labels(self) -> list[int]:
        """The tokens to be learned; those of the prompt are ignored."""
        return [IGNORED] * self.prompt_tokens + self.ids[self.prompt_tokens :]


@dataclass(frozen=True)
class Examples:
    """The rows of a file that can be trained on, and those that are too long."""

    kept: tuple[Example, ...]
    too_long: tuple[Example, ...]

    @property
    def tokens(self) -> int:
        """Tokens of all kept rows, prompt and answer together."""
        return sum(example.tokens for example in self.kept)


def encode(tokenizer: Any, prompt: Prompt, rows: Sequence[Row], max_length: int) -> Examples:
    """Tokenize rows that have answers; a row above `max_length` tokens is set aside whole, never cut."""
    kept: list[Example] = []
    too_long: list[Example] = []
    for row in rows:
        asked = prompt_ids(tokenizer, prompt, row)
        answered = completion_ids(tokenizer, row.completion or "")
        example = Example(row.id, [*asked, *answered], len(asked))
        (kept if len(example.ids) <= max_length else too_long).append(example)
    return Examples(tuple(kept), tuple(too_long))
