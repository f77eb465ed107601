"""The leaderboard: every prompt that was tried, what it reached, and when it was left behind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from planner.documents import JsonValue, Measurement, ReadAhead, pretty_json

if TYPE_CHECKING:
    from pathlib import Path


class Entry(ReadAhead):
    """One prompt that was tried."""

    variant: str
    """What people read, such as `plain, 8 similar`."""
    prompt: str | None = None
    """Content id of the prompt; null when it could not be made."""
    template: str
    template_id: str
    examples: int
    choice: str | None = None
    """How the examples were chosen; null without any."""
    passages: int | None = None
    rows: int = 0
    """Rows that it was scored on."""
    score: Measurement | None = None
    """Strict score with its interval; null when it was left out before."""
    lenient: Measurement | None = None
    prompt_tokens: float | None = None
    """Mean tokens of a prompt with its request."""
    answer_s: float | None = None
    """Mean seconds of an answer, others generated beside it; null where nobody measured them."""
    stage: str
    """What was being varied when it was left behind."""
    left_in_round: int | None = None
    """Counted through all stages; null for the prompt that was chosen."""
    because: str


class Leaderboard(ReadAhead):
    """Prompts in the order of how long they stayed, the chosen one first."""

    format: Literal["adapt.leaderboard/1"] = "adapt.leaderboard/1"
    metric: str
    chosen_on: Literal["validation", "train"]
    """Where the rows come from that prompts were scored on; never the test data."""
    chosen: str
    """Content id of the chosen prompt."""
    entries: tuple[Entry, ...]


def write_leaderboard(leaderboard: Leaderboard, path: Path) -> None:
    """Write the leaderboard's file."""
    path.write_text(pretty_json(leaderboard.to_json()), encoding="utf-8")


def shown(leaderboard: Leaderboard) -> list[JsonValue]:
    """The rows of the leaderboard as a report shows them."""
    fields = {"variant", "rows", "score", "prompt_tokens", "answer_s", "left_in_round", "because"}
    return [entry.model_dump(mode="json", include=fields) for entry in leaderboard.entries]
