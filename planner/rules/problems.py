"""Findings about rule books: which rule, which column, which line of the file."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from planner.documents import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from planner.rules.book import Rule

_HEADER = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?")
_ID = re.compile(r"""\bid\s*=\s*["']([^"']*)["']""")


def of_rule(rule: Rule, message: str, fix: str = "", *, column: str = "", code: str = "BOOK007") -> Finding:
    """What is wrong with a rule; of a column, when one cell is to blame."""
    said = f"Rule {rule.id}: column `{column}`: {message}" if column else f"Rule {rule.id}: {message}"
    where = Where(pointer=f"/rule/{rule.id}/when/{column}" if column else f"/rule/{rule.id}")
    return Finding(code=code, severity="error", message=said, fix=fix, where=where)


def of_book(code: str, message: str, fix: str, pointer: str, file: str | None = None) -> Finding:
    """What is wrong with another part of a book."""
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(file=file, pointer=pointer))


def placed(problems: Iterable[Finding], files: Mapping[str, str]) -> tuple[Finding, ...]:
    """The findings with the file and the line of each, sorted by them; what is told twice is told once.

    Args:
        problems: findings with pointers such as `/rule/APP110/when/size`.
        files: the file of each rule, by id.
    """
    texts: dict[str, str] = {}
    found: dict[Finding, None] = {}
    for problem in problems:
        where = problem.where
        parts = (where.pointer or "").split("/")
        file = where.file or (files.get(parts[2]) if len(parts) > 2 else None)  # noqa: PLR2004 - "", kind, name
        line = where.line
        if line is None and file is not None:
            if file not in texts:
                texts[file] = _text(Path(file))
            line = line_of(texts[file], parts[1:])
        found[problem.model_copy(update={"where": where.model_copy(update={"file": file, "line": line})})] = None
    return tuple(sorted(found, key=lambda item: (item.where.file or "", item.where.line or 0)))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError):
        return ""


def line_of(text: str, path: list[str]) -> int | None:
    """The line of a place in a TOML text, counted from 1: that of its key, or else of its table.

    Args:
        text: the file.
        path: the kind of table, its id, number or name, and the keys inside of it.
    """
    if not path or not path[0]:
        return None
    start, block = _block(text.splitlines(), path[0], path[1] if len(path) > 1 else "")
    if not block:
        return None
    for key in reversed(path[2:]):
        pattern = re.compile(rf"""(?<![\w-])["']?{re.escape(key)}["']?\s*=""")
        for offset, line in enumerate(block):
            if pattern.search(line):
                return start + offset + 1
    if path[0] in ("rule", "disable"):
        return start + next((offset for offset, line in enumerate(block) if _ID.search(line)), 0) + 1
    return start + 1


def _block(lines: list[str], kind: str, name: str) -> tuple[int, list[str]]:
    """Where the table of a name starts, and its lines; a bare key at the top is a block of one line."""
    starts = [number for number, line in enumerate(lines) if _HEADER.match(line)]
    found = 0
    for start, end in pairwise([*starts, len(lines)]):
        match = _HEADER.match(lines[start])
        parts = [part.strip("\"'") for part in match[1].split(".", 1)] if match else []
        block = lines[start:end]
        if parts == [kind] and lines[start].lstrip().startswith("[["):
            ids = _ID.search("\n".join(block))
            if name in ("", str(found)) or (ids and ids[1] == name):
                return start, block
            found += 1
        elif parts[:1] == [kind] and name in ("", *parts[1:]):
            return start, block
    for number, line in enumerate(lines[: starts[0] if starts else len(lines)]):
        if re.match(rf"\s*{re.escape(kind)}\s*=", line):
            return number, [line]
    return 0, []
