"""A run's report on a terminal: rung, score, time, decision; then what it left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.table import Table
from rich.text import Text

from adapt.render.units import score, seconds, size

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import RenderableType

    from executors.report import RunReport

STATUS_STYLES = {"done": "green", "stopped": "yellow", "failed": "bold red", "interrupted": "yellow", "running": "cyan"}


def report(document: RunReport, state: Path) -> RenderableType:
    """The table of rungs, the outcome, the cost, and where the results are."""
    parts: list[RenderableType] = []
    if document.rungs:
        parts += [_rungs(document), Text()]
    text = Text(document.because, style=STATUS_STYLES[document.status])
    if document.target:
        wanted = ", ".join(f"{name} {goal:g}" for name, goal in sorted(document.target.items()))
        text.append(f"\nTarget {wanted}: ")
        text.append(f"met by {document.reached}" if document.reached else "not met by any rung that was measured")
    cost = document.cost
    text.append(
        f"\nWork {seconds(cost.wall_s)} wall, {seconds(cost.cpu_s)} CPU, peak memory {size(cost.peak_memory_bytes)}"
    )
    text.append(f"; this call took {seconds(document.wall_s)}")
    for name, path in document.outputs.items():
        text.append(f"\n{name}: {state / path}")
    parts.append(text)
    return Group(*parts)


def _rungs(document: RunReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    metrics = list(dict.fromkeys(name for rung in document.rungs for name in rung.metrics))
    for name in ("Rung", *(f"{metric} (95%)" for metric in metrics), "Time", "Decision"):
        table.add_column(name, overflow="fold")
    for rung in document.rungs:
        scores = [score(rung.metrics[name]) if name in rung.metrics else "-" for name in metrics]
        time = "-" if rung.seconds is None else seconds(rung.seconds)
        table.add_row(rung.rung, *scores, time, rung.decision)
    return table
