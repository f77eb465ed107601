"""Decisions explained from their record: the answer, then because, then the numbers, then the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group
from rich.text import Text

from adapt.render.units import plain
from planner.catalog import CatalogError, reference

if TYPE_CHECKING:
    from rich.console import RenderableType

    from planner.documents import Decision, Plan

TIERS = {
    "veto": "a veto",
    "pin": "your pin",
    "user": "your rule book",
    "core": "the core rules",
    "default": "the default",
}


def decisions(document: Plan, questions: tuple[str, ...]) -> RenderableType:
    """Every decision asked for, one paragraph each."""
    units = {fact.name: fact.unit for fact in document.facts if fact.unit != "fraction"}
    chosen = [item for item in document.decisions if not questions or item.question in questions]
    return Group(*(_decision(item, units).append("\n") for item in chosen))


def _decision(decision: Decision, units: dict[str, str]) -> Text:
    text = Text()
    text.append(f"{decision.question}: ", style="bold")
    text.append(plain(decision.answer), style="bold green")
    text.append(f"\n  because {decision.because}")
    by = f"rule {decision.rule}" if decision.rule else TIERS[decision.tier]
    text.append(f" ({by})", style="dim")
    if decision.why:
        text.append(f"\n  {decision.why}")
    for line in _numbers(decision, units):
        text.append(f"\n  looked at: {line}")
    for rejected in decision.rejected:
        text.append(f"\n  not {rejected.answer}: ", style="dim")
        text.append(rejected.because)
        if rejected.needs:
            text.append(f"; it would need {' and '.join(rejected.needs)}")
    for line in decision.missing:
        text.append(f"\n  not known: {line}", style="yellow")
    for key in decision.cite:
        text.append(f"\n  source: {source(key)}", style="cyan")
    return text


def _numbers(decision: Decision, units: dict[str, str]) -> list[str]:
    """The facts that the answering rule compared."""
    held = [trace for trace in decision.trace if trace.rule == decision.rule and trace.verdict == "holds"]
    cells = [cell for trace in held for row in trace.rows if all(c.verdict == "holds" for c in row) for cell in row]
    lines = (
        " ".join([cell.fact, "is", plain(cell.value), units.get(cell.fact, ""), f"(test: {cell.test})"])
        for cell in cells
    )
    return list(dict.fromkeys(line.replace("  ", " ") for line in lines))


def source(key: str) -> str:
    """A citation key with what it stands for."""
    try:
        return f"{reference(key)} [{key}]"
    except CatalogError:
        return key
