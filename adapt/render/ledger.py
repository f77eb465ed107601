"""The ledger on a terminal: what steps took, or reached before memory ran out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from adapt.render.memory import count
from adapt.render.units import seconds, size

if TYPE_CHECKING:
    from rich.console import RenderableType


def ledger(report: dict[str, Any]) -> RenderableType:
    """One row a step, oldest first."""
    if not report["rows"]:
        return Text(f"Nothing was measured yet: `adapt run` adds every finished training step to {report['path']}.")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("When (UTC)", "Step", "Device", "Model", "How"):
        table.add_column(name, overflow="fold")
    for name in ("Peak", "Expected", "Ratio", "Time", "Tokens a second", "Loss"):
        table.add_column(name, justify="right")
    for row in report["rows"]:
        table.add_row(
            row["time"].removesuffix("Z"), row["executor"], row["device"], _model(row), _how(row), *_sizes(row)
        )
    notes = [f"{len(report['rows'])} steps in {report['path']}."]
    if any(row["device"] == "cpu" for row in report["rows"]):
        notes.append("(RSS) is a process in main memory, with its libraries: it is not compared with device estimates.")
    if any(row["outcome"] == "oom" for row in report["rows"]):
        notes.append("A peak with > is of a step that ran out of memory there.")
    if report["skipped_lines"]:
        notes.append(f"{report['skipped_lines']} lines could not be read and were left out.")
    return Group(table, Text("\n" + "\n".join(notes), style="dim"))


def _model(row: dict[str, Any]) -> str:
    parameters = f" {count(row['parameters'])}" if row["parameters"] else ""
    return f"{row['model_type'] or '-'}{parameters}"


def _how(row: dict[str, Any]) -> str:
    setting = row["setting"]
    if not setting:
        return "-"
    return f"{setting['method']}, {setting['batch']} x {setting['sequence']:,}, {setting['precision']}"


def _sizes(row: dict[str, Any]) -> tuple[str, ...]:
    peak = row["allocated_bytes"]
    compared = row["compared"]
    held = size(peak) if peak else f"{size(row['rss_bytes'])} (RSS)"
    return (
        f"> {held}" if row["outcome"] == "oom" else held,
        size(row["expected_bytes"]) if compared else "-",
        f"{peak / row['expected_bytes']:.3f}" if compared else "-",
        seconds(row["seconds"]),
        f"{row['tokens_per_s']:,.0f}" if row["tokens_per_s"] else "-",
        "-" if row["loss"] is None else f"{row['loss']:.3f}",
    )
