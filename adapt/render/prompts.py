"""The leaderboard of a search for prompts or for a merge's numbers, as a run's report shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from adapt.render.units import score, seconds
from planner.documents import Measurement

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.report import StepReport
    from planner.documents import JsonValue


def leaderboards(steps: tuple[StepReport, ...]) -> list[Table]:
    """A table for each step that tried prompts or merges; the chosen one stands first."""
    return [_table(step.notes, entries) for step in steps if isinstance(entries := step.notes.get("leaderboard"), list)]


def _table(notes: Mapping[str, JsonValue], entries: list[JsonValue]) -> Table:
    tried, chosen_on = str(notes.get("tried", "Prompts")), notes.get("chosen_on")
    table = Table(box=None, pad_edge=False, header_style="bold", title_justify="left", title_style="bold")
    table.title = f"{tried} tried on {'validation' if chosen_on == 'validation' else 'held-out training'} rows"
    table.add_column(tried.removesuffix("s"), overflow="fold")
    table.add_column(f"{notes.get('metric')} (95%)", overflow="fold")
    for name in ("Rows", "Tokens", "Time an answer"):
        table.add_column(name, justify="right")
    table.add_column("Decision", overflow="fold")
    for entry in entries:
        if isinstance(entry, dict):
            table.add_row(*_row(entry), style=None if entry.get("left_in_round") is None else "dim")
    return table


def _row(entry: dict[str, JsonValue]) -> tuple[str, ...]:
    reached, tokens, took = (entry.get(name) for name in ("score", "prompt_tokens", "answer_s"))
    left = entry.get("left_in_round")
    return (
        str(entry.get("variant")),
        score(Measurement.model_validate(reached)) if reached else "-",
        str(entry.get("rows")) if reached else "-",
        f"{tokens:.0f}" if isinstance(tokens, float | int) else "-",
        seconds(took) if isinstance(took, float | int) else "-",
        str(entry.get("because")) + ("" if left is None else f", left in round {left}"),
    )
