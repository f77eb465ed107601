"""A review on a terminal: file by file what it is, what it needs, and every finding with its reason and its cure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rich.console import Group
from rich.padding import Padding
from rich.text import Text

from adapt.render.findings import STYLES
from adapt.render.review_words import NOT_READ, TOOLS, by_file, memory, place, sources, summary, unread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import RenderableType

    from planner.documents import Finding, Findings, ReviewedFile, Suppressed

# A configuration must not be able to steer the terminal.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
INDENT = 2
FILE_WIDTH = 120
KEYS = 3


def review(result: Findings) -> RenderableType:
    """Every file, then the count of all findings."""
    parts: list[RenderableType] = []
    for name, file, findings in by_file(result):
        parts.append(_heading(name, file))
        parts.extend(_finding(finding, result.references) for finding in findings)
        if file is not None and not findings:
            parts.append(Text("  nothing found", style="green"))
        if file is not None and file.unknowns:
            parts.append(_indented(Text(f"not judged: {'; '.join(file.unknowns)}", style="dim")))
        parts.append(Text())
    parts.extend(_aside(item) for item in result.suppressed)
    worst = "red" if unread(result) or result.at_least("error") else "yellow" if result.at_least("warning") else "green"
    return Group(*parts, Text(summary(result), style=f"bold {worst}"))


def _heading(name: str, file: ReviewedFile | None) -> Text:
    """`train.yml: Axolotl (by base_model, adapter), memory 14.2 GB ...`."""
    text = Text().append(name or "everything together", style="bold")
    if file is None:
        return text.append(f": {NOT_READ}" if name else "", style="bold red")
    keys = f" (by {', '.join(file.recognised_by[:KEYS])})" if file.recognised_by else ""
    text.append(f": {TOOLS[file.tool]}").append(keys, style="dim")
    if file.memory is not None:
        text.append(f"\n{' ' * INDENT}{memory(file)}")
    return text


def _finding(finding: Finding, own: Mapping[str, str]) -> RenderableType:
    head = Text().append(finding.severity, style=STYLES[finding.severity])
    head.append(f" {finding.code}", style="dim")
    at = place(finding)
    head.append(f" {at}: " if at else " ").append(finding.message)
    lines: list[RenderableType] = [_indented(head)]
    for word, said in (("why", finding.why), ("fix", finding.fix)):
        if said:
            lines.append(_indented(Text().append(f"{word}: ", style="bold").append(said), 2 * INDENT))
    for name, address in sources(finding.cite, own):
        lines.append(_indented(Text(f"source: {' '.join((name, address)).rstrip()}", style="cyan"), 2 * INDENT))
    return Group(*lines)


def _aside(item: Suppressed) -> Text:
    by = "a comment" if item.by == "inline" else "the baseline"
    reason = f": {item.reason}" if item.reason else ""
    where = item.finding.where
    at = f"{where.file}:{where.line}" if where.line is not None else where.file
    return Text(f"set aside by {by}: {item.finding.code} at {at}{reason}", style="dim")


def _indented(text: Text, by: int = INDENT) -> Padding:
    text.plain = _CONTROL.sub("\ufffd", text.plain)
    return Padding(text, (0, 0, 0, by), expand=False)


def review_text(result: Findings) -> str:
    """The same without colours, for a file."""
    from io import StringIO

    from rich.console import Console

    stream = StringIO()
    Console(file=stream, width=FILE_WIDTH, highlight=False, markup=False, color_system=None).print(review(result))
    return "".join(f"{line.rstrip()}\n" for line in stream.getvalue().splitlines())
