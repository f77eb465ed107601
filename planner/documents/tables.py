"""The tables of SQLite databases as a prompt tells them: without them nobody can name a column."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from planner.documents.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDINGS = (".sqlite", ".db", ".sqlite3")
# The name of the one database that is no folder.
ONLY = ""


def tables_told(path: Path, most: int) -> dict[str, str]:
    """The definitions of the tables of each database, by its name; of a single file by the empty name.

    As they were written where that takes `most` characters at most; else columns with their types, else columns alone,
    and of those as many tables as fit.

    Args:
        path: an SQLite file, or a folder of them as `NAME.sqlite` or `NAME/NAME.sqlite`.
        most: characters of the text of one database.

    Raises:
        InputError: a file is no database.
    """
    if path.is_file():
        return {ONLY: _told(path, most)}
    files = sorted(item for item in path.rglob("*") if item.suffix.lower() in ENDINGS)
    return {item.stem: _told(item, most) for item in files}


def _told(database: Path, most: int) -> str:
    try:
        with closing(sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
            found = connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite_%'"
            ).fetchall()
            written = [f"{' '.join(str(sql).split())};" for _, sql in found]
            if _length(written) <= most:
                return "\n".join(written)
            columns = {
                name: connection.execute("SELECT name, type FROM pragma_table_info(?)", (name,)).fetchall()
                for name, _ in found
            }
    except sqlite3.Error as error:
        raise InputError.one("SQL002", f"This is no SQLite database: {error}.", file=str(database)) from error
    forms: tuple[Callable[[str, str], str], ...] = (lambda name, kind: f"{name} {kind}".strip(), lambda name, _: name)
    for form in forms:
        short = [
            f"{table}({', '.join(form(name, kind) for name, kind in listed)})" for table, listed in columns.items()
        ]
        if _length(short) <= most:
            return "\n".join(short)
    while short and _length(short) > most:
        short.pop()
    return "\n".join(short)


def _length(lines: list[str]) -> int:
    return sum(len(line) + 1 for line in lines)
