"""A review as Markdown for a pull request: a short table, then the details of every file folded away."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapt.render.review_words import NOT_READ, TOOLS, by_file, memory, place, sources, summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Finding, Findings, ReviewedFile

# Code hosting services refuse comments above 65,536 characters.
LONGEST = 60_000
MARKS = {"error": ":x: error", "warning": ":warning: warning", "note": ":information_source: note"}
_SPAN = re.compile(r"(`[^`]+`)")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~])")


def review_markdown(result: Findings) -> str:
    """The whole review; details that make it too long for a comment are left out, which is said."""
    head = [f"### adapt review: {_text(summary(result))}", ""]
    rows = [_row(finding) for finding in result.findings]
    if rows:
        head += ["| | place | finding | rule |", "|---|---|---|---|", *rows, ""]
    details = ["\n".join(_details(*each, result.references)) for each in by_file(result)]
    if result.suppressed:
        details.append("\n".join(_aside(result)))
    return _within("\n".join(head), details)


def _within(head: str, details: list[str]) -> str:
    """As many details as a comment holds."""
    cut = "\n\nThe rest is left out: a comment holds no more. `adapt review` prints everything.\n"
    text = head
    if len(text) > LONGEST:
        return text[: text.rfind("\n", 0, LONGEST)] + cut
    for part in details:
        if len(text) + len(part) > LONGEST:
            return text.rstrip("\n") + cut
        text += f"\n{part}\n"
    return text


def _row(finding: Finding) -> str:
    where = finding.where
    at = f"{where.file or ''}:{where.line}" if where.line is not None else where.file or ""
    return f"| {MARKS[finding.severity]} | {_code(at)} | {_text(finding.message)} | {_text(finding.code)} |"


def _details(name: str, file: ReviewedFile | None, findings: list[Finding], own: Mapping[str, str]) -> list[str]:
    what = [TOOLS[file.tool], memory(file)] if file is not None else [NOT_READ if name else ""]
    said = ", ".join(part for part in what if part)
    title = f"<code>{_html(name or 'everything together')}</code>" + (f": {_html(said)}" if said else "")
    lines = ["<details>", f"<summary>{title}</summary>", ""]
    for finding in findings:
        at = place(finding)
        lines.append(f"**{_text(finding.code)}**{' ' + _text(at) if at else ''}: {_text(finding.message)}")
        lines += [f"- {word}: {_text(text)}" for word, text in (("Why", finding.why), ("Fix", finding.fix)) if text]
        lines += [f"- Source: {_link(*source)}" for source in sources(finding.cite, own)]
        lines.append("")
    if not findings:
        lines += ["Nothing found.", ""]
    if file is not None and file.unknowns:
        lines += [f"Not judged: {_text('; '.join(file.unknowns))}", ""]
    return [*lines, "</details>"]


def _aside(result: Findings) -> list[str]:
    lines = ["<details>", "<summary>Set aside</summary>", ""]
    for item in result.suppressed:
        by = "a comment" if item.by == "inline" else "the baseline"
        reason = f": {_text(item.reason)}" if item.reason else ""
        lines.append(f"- {_text(item.finding.code)} at {_code(item.finding.where.file or '')}, by {by}{reason}")
    return [*lines, "", "</details>"]


def _text(text: str) -> str:
    """Text on one line; what stands between backticks is code, and no other sign is taken for Markdown."""
    parts = _SPAN.split(" ".join(text.split()))
    return "".join(
        _code(part[1:-1]) if number % 2 else _SPECIAL.sub(r"\\\1", part).replace("@", "&#64;")
        for number, part in enumerate(parts)
    )


def _code(text: str) -> str:
    """A path between backticks, also in a table."""
    clean = " ".join(text.split()).replace("`", "'").replace("|", "\\|")
    return f"`{clean}`" if clean else ""


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\n", " ")


def _link(name: str, address: str) -> str:
    return f"[{_text(name)}](<{address}>)" if address else _text(name)
