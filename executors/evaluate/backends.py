"""What answers questions: one small interface for a model on this machine and for a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from planner.documents import JsonValue


class Question(NamedTuple):
    """A conversation that waits for its answer."""

    id: str
    turns: list[dict[str, str]]
    """`role` and `content` of each turn, the request last."""
    spare: int = 0
    """Examples at the start of the conversation that may be left out where the context window does not hold all."""
    seed: int | None = None
    """Draw the answer by this seed; None for the likeliest tokens."""


class Answer(NamedTuple):
    """What came back, and what it took."""

    text: str
    tokens: int | None = None
    """Tokens of the answer; None when the server does not count them."""
    tokens_in: int | None = None
    """Tokens of the question, examples and instruction included."""
    seconds: float | None = None
    """From asking to the last token, other answers of the same batch or moment beside it."""
    cut: bool = False
    """Whether the answer ended only because it may not be longer."""
    error: str = ""
    """Why there is no answer; empty when there is one."""


class Backend(Protocol):
    """Answers questions, by greedy decoding where they have no seed."""

    notes: dict[str, JsonValue]
    """Facts for the report, complete when all answers are there."""

    def answers(self, questions: Sequence[Question], done: Collection[int] = ()) -> Iterator[Mapping[int, Answer]]:
        """Yield answers as they come, by the number of the question; those in `done` are not asked.

        A question that cannot be answered comes back with an `error`, and the others go on.

        Raises:
            planner.documents.AdaptError: nothing can be answered at all.
        """
