"""A request on its way through the server: as it was asked, as tokens, and how its answer ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from executors.evaluate.constraint import Constraint
    from executors.serve.variants import Variant


@dataclass(frozen=True)
class Ask:
    """One request, read and checked."""

    model: str
    turns: tuple[dict[str, str], ...] | None
    """The conversation; None where `text` is continued as it stands."""
    text: str = ""
    max_tokens: int | None = None
    temperature: float = 0.0
    """0 takes the likeliest token at each step."""
    top_p: float = 1.0
    seed: int | None = None
    stop: tuple[str, ...] = ()
    schema: dict[str, Any] | None = None
    """JSON Schema that the answer is held to; empty for any JSON object, None for what was measured."""
    database: str | None = None
    """Whose tables are asked, of a model that was measured on several databases."""
    logprobs: int | None = None
    """How many likeliest tokens are told at each place, beside the one that was taken; None tells nothing."""


@dataclass(frozen=True)
class Ready:
    """A request as tokens."""

    ask: Ask
    variant: Variant
    ids: list[int]
    max_tokens: int
    stop: tuple[str, ...]
    passages: tuple[str, ...] = ()
    """Documents whose passages stand in the prompt, the best first."""
    form: Constraint | None = None
    """What the answer is held to."""


@dataclass(frozen=True)
class Likely:
    """A token of an answer."""

    text: str
    logprob: float
    """Natural logarithm of its probability by the model, whatever it was held to."""
    others: tuple[tuple[str, float], ...]
    """The likeliest tokens at its place, likewise."""


@dataclass(frozen=True)
class Done:
    """How an answer ended."""

    tokens_in: int
    tokens_out: int
    reason: str
    """`stop` at an end token or a stop text, `length` at the limit, `stopped` where nobody waits any more."""
    likely: tuple[Likely, ...] = ()
    """Its tokens, where they were asked for."""


class BadFormError(ValueError):
    """Answers cannot be held to the form that a request asks for."""


class NoDatabaseError(ValueError):
    """Of which database's tables a request asks is not known."""


class TooLongError(ValueError):
    """The prompt and its answer exceed what the model reads."""

    def __init__(self, message: str, param: str) -> None:
        """Say what exceeds it, and in which field of the request."""
        super().__init__(message)
        self.param = param
