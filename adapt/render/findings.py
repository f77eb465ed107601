"""Findings on a terminal: the place, what is wrong, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.documents import Finding

STYLES = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def findings(items: Iterable[Finding]) -> Text:
    """One line each: severity, place, sentence, cure, code."""
    text = Text()
    for number, item in enumerate(items):
        if number:
            text.append("\n")
        text.append(item.severity, style=STYLES[item.severity])
        place = str(item.where)
        text.append(f" {place}: " if place else ": ")
        text.append(item.message)
        if item.fix:
            text.append(f" {item.fix}")
        text.append(f" [{item.code}]", style="dim")
    return text
