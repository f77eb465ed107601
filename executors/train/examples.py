"""Rows as tokens: what is read, which tokens are learned, and where documents that share a sequence begin."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from executors.train.turns import all_answers_of, answer_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from executors.data import Row
    from executors.prompt.document import Prompt
    from executors.train.turns import Said

IGNORED = -100


@dataclass(frozen=True)
class Example:
    """One row as tokens, or several rows that share a sequence."""

    id: str
    ids: list[int]
    labels: list[int]
    """The tokens to be learned, each at its place in `ids`; IGNORED elsewhere."""
    segments: tuple[int, ...] = ()
    """Tokens of each row where several share the sequence; empty for one row alone."""

    @property
    def tokens(self) -> int:
        """Tokens that a forward pass reads."""
        return len(self.ids)

    @property
    def encoded(self) -> dict[str, Any]:
        """As a row of a data set."""
        return {"input_ids": self.ids, "labels": self.labels, "segments": list(self.segments or (len(self.ids),))}


@dataclass(frozen=True)
class Examples:
    """The rows of a file that can be trained on, and those that are too long."""

    kept: tuple[Example, ...]
    too_long: tuple[Example, ...] = ()

    @property
    def tokens(self) -> int:
        """Tokens of all kept rows, prompt and answer together."""
        return sum(example.tokens for example in self.kept)


def answered(name: str, prompt: list[int], answer: list[int]) -> Example:
    """An example of which the answer is learned, and the prompt only as far as its loss has a weight."""
    return Example(name, [*prompt, *answer], [IGNORED] * len(prompt) + answer)


def encode(
    tokenizer: Any, prompt: Prompt, rows: Sequence[Row], max_length: int, learn_turns: str | None = "last"
) -> Examples:
    """Tokenize rows that have answers, of which the `last` or `all` are learned; see `fitting`."""
    if learn_turns == "all":
        return fitting(
            (_example(row.id, said) for row in rows for said in all_answers_of(tokenizer, prompt, row)), max_length
        )
    return fitting((_example(row.id, answer_of(tokenizer, prompt, row)) for row in rows), max_length)


def _example(name: str, said: Said) -> Example:
    labels = [token if learned else IGNORED for token, learned in zip(said.ids, said.learned, strict=True)]
    return Example(name, said.ids, labels)


def fitting(examples: Iterable[Example], max_length: int) -> Examples:
    """Examples of which those above `max_length` tokens are set aside whole, never cut."""
    kept: list[Example] = []
    too_long: list[Example] = []
    for example in examples:
        (kept if example.tokens <= max_length else too_long).append(example)
    return Examples(tuple(kept), tuple(too_long))
