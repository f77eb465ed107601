"""One SQL query against an SQLite database, in a box: it reads, within limits of time, rows and memory, or is refused.

Whatever a model wrote may run here. The file is opened read-only and unchanging, an authorizer lets nothing through
but reading, and what runs too long or returns too much is ended.
"""

from __future__ import annotations

import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDINGS = (".sqlite", ".db", ".sqlite3")
MAX_ROWS = 10_000
# All values of a result, one value, and the memory of SQLite in this process, in bytes. A function that compares two
# values cannot be ended midway: they must be short enough that it ends by itself in a second or two.
MAX_RESULT_BYTES, MAX_VALUE_BYTES, MAX_HEAP_BYTES = 32 * 2**20, 2**18, 256 * 2**20
MAX_QUERY_CHARACTERS = 20_000
_ALLOWED = frozenset({sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION, sqlite3.SQLITE_RECURSIVE})
_REFUSED_FUNCTIONS = frozenset({"load_extension", "readfile", "writefile", "edit", "fts3_tokenizer", "zipfile"})
_ACTIONS = {
    getattr(sqlite3, f"SQLITE_{name}"): name.replace("_", " ")
    for name in (
        *("ALTER_TABLE", "ANALYZE", "ATTACH", "CREATE_INDEX", "CREATE_TABLE", "CREATE_TEMP_TABLE", "CREATE_TRIGGER"),
        *("CREATE_TEMP_TRIGGER", "CREATE_TEMP_VIEW", "CREATE_VIEW", "CREATE_VTABLE", "DELETE", "DETACH", "DROP_INDEX"),
        *("DROP_TABLE", "DROP_TRIGGER", "DROP_VIEW", "INSERT", "PRAGMA", "REINDEX", "SAVEPOINT", "TRANSACTION"),
        "UPDATE",
    )
}
# Operations of SQLite's machine between two looks at the clock.
_STEPS = 200

Cell = str | int | float | bytes | None
Rows = tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True)
class Result:
    """What a query came to: its rows, or why it has none."""

    rows: Rows = ()
    problem: str = ""
    """Empty when the query ran."""
    seconds: float = 0.0


def database_of(path: Path, name: str, row: str) -> Path:
    """The database of a row: the file itself, or the one of this name in the folder, also as `NAME/NAME.sqlite`.

    Raises:
        InputError: the row names none, or one that is not there.
    """
    if path.is_file():
        return path
    if not name or not set(name).isdisjoint("/\\\0") or name in (".", ".."):
        message = f"The row {row} does not name a database of the folder: its `db_id` is {name!r}."
        raise InputError.one("SQL001", message, "Give every row a `db_id`.", file=str(path))
    for ending in ENDINGS:
        for found in (path / f"{name}{ending}", path / name / f"{name}{ending}"):
            if found.is_file():
                return found
    message = f"The row {row} names the database {name!r}, which is not in the folder."
    raise InputError.one("SQL001", message, f"Add {name}.sqlite, or correct the row.", file=str(path))


def run_query(database: Path, query: str, limit_s: float) -> Result:
    """Run one query that reads, and nothing else.

    Args:
        database: an SQLite file; it is never written, nor anything beside it.
        query: one statement.
        limit_s: seconds after which it is ended.

    Raises:
        InputError: the file is no database.
    """
    if len(query) > MAX_QUERY_CHARACTERS:
        return Result(problem=f"longer than {MAX_QUERY_CHARACTERS:,} characters")
    refused: list[str] = []
    started = time.monotonic()
    connection = _open(database)
    try:
        connection.set_authorizer(_authorizer(refused))
        connection.set_progress_handler(lambda: time.monotonic() - started > limit_s, _STEPS)
        rows, problem = _fetch(connection, query)
    except MemoryError:
        rows, problem = (), "out of memory"
    # `Warning` and ValueError: two statements, and characters that no query may have.
    except (sqlite3.Error, sqlite3.Warning, ValueError) as error:
        rows, problem = (), str(error)
        if "interrupted" in problem:
            problem = f"stopped after {limit_s:.3g} s"
    finally:
        connection.close()
    if refused:
        rows, problem = (), f"refused: {refused[0]}"
    return Result(rows, problem, time.monotonic() - started)


def _open(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{database.resolve().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None)
    try:
        # Sorting and grouping stay in memory, where the limit holds, and leave no files.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute(f"PRAGMA hard_heap_limit = {MAX_HEAP_BYTES}")
        connection.execute("PRAGMA trusted_schema = OFF")
        connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error as error:
        connection.close()
        raise InputError.one("SQL002", f"This is no SQLite database: {error}.", file=str(database)) from error
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 1_000)
    connection.text_factory = lambda content: content.decode("utf-8", "replace")
    return connection


def _authorizer(refused: list[str]) -> Callable[[int, str | None, str | None, str | None, str | None], int]:
    def allows(action: int, _first: str | None, second: str | None, _base: str | None, _by: str | None) -> int:
        if action in _ALLOWED and not (action == sqlite3.SQLITE_FUNCTION and second in _REFUSED_FUNCTIONS):
            return sqlite3.SQLITE_OK
        refused.append(str(second) if action in _ALLOWED else _ACTIONS.get(action, f"action {action}"))
        return sqlite3.SQLITE_DENY

    return allows


def _fetch(connection: sqlite3.Connection, query: str) -> tuple[Rows, str]:
    cursor = connection.execute(query)
    if cursor.description is None:
        return (), "no query"
    rows: list[tuple[Cell, ...]] = []
    size = 0
    for row in cursor:
        rows.append(row)
        size += sum(len(cell) if isinstance(cell, str | bytes) else 8 for cell in row)
        if len(rows) > MAX_ROWS:
            return (), f"more than {MAX_ROWS:,} rows"
        if size > MAX_RESULT_BYTES:
            return (), f"more than {MAX_RESULT_BYTES // 2**20} MiB of results"
    return tuple(rows), ""
