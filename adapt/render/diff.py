"""A difference on a terminal: the sentence first, then what was given, decided and done otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from adapt.render import diff_words as words
from adapt.render.findings import findings

if TYPE_CHECKING:
    from planner.difference import DecisionChange, Difference, StepChange

STYLES = {"added": "green", "removed": "red", "changed": "yellow"}


def text(found: Difference) -> Text:
    """The whole difference as a page."""
    page = Text()
    name = found.new.name if found.new.name == found.old.name else f"{found.old.name} -> {found.new.name}"
    page.append(f"{name}: ", style="bold").append(words.headline(found), style="bold green")
    if not found.matters:
        return page
    for item in found.status:
        page.append(f"\n  {words.change(item)}", style="red")
    given = words.given(found)
    _title(page, "Given otherwise", bool(given))
    for part, lines in given.items():
        for line in lines:
            page.append(f"\n  {part} ", style="dim").append(line)
    _title(page, "Decided otherwise", bool(found.decisions))
    for decision in found.decisions:
        _decision(page, decision)
    _title(page, "Done otherwise", bool(found.steps))
    for step in found.steps:
        _step(page, step)
    _title(page, "Budget", bool(found.budget))
    for item in found.budget:
        page.append(f"\n  {words.change(item)}")
    for title, items in (("New warnings", found.warnings_new), ("Warnings that are gone", found.warnings_gone)):
        _title(page, title, bool(items))
        if items:
            page.append("\n").append(findings(items))
    return page


def _title(page: Text, title: str, is_shown: bool) -> None:  # noqa: FBT001 - one caller
    if is_shown:
        page.append(f"\n\n{title}", style="bold")


def _decision(page: Text, item: DecisionChange) -> None:
    page.append(f"\n  {item.question}: ", style="bold")
    page.append(words.answer(item.old)).append(" -> ").append(words.answer(item.new), style="green")
    if item.old is not None:
        page.append(f"\n    was: {words.because(item.old)}", style="dim")
    if item.new is not None:
        page.append(f"\n    now: {words.because(item.new)}")
    for fact in item.facts:
        page.append(f"\n    looked at {words.fact(fact)}", style="cyan")
    if not item.facts and item.causes:
        page.append(f"\n    changed because {words.causes(item.causes)}", style="cyan")


def _step(page: Text, item: StepChange) -> None:
    page.append(f"\n  {words.MARKS[item.change]} {item.address}", style=STYLES[item.change])
    if item.causes:
        page.append(f"  because {words.causes(item.causes)}", style="dim")
    for line in words.step_lines(item.changes):
        page.append(f"\n      {line}")
