"""A request on its way through the server: as it was asked, as tokens, and how its answer ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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


@dataclass(frozen=True)
class Done:
    """How an answer ended."""

    tokens_in: int
    tokens_out: int
    reason: str
    """`stop` at an end token or a stop text, `length` at the limit."""


class TooLongError(ValueError):
    """The prompt and its answer exceed what the model reads."""
