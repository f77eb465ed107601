"""Values by key on disk, shared by the steps of a state folder: embeddings of texts, answers of servers."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

# SQLite's limit on the variables of one statement, in the oldest builds.
KEYS_AT_ONCE = 900
WAIT_S = 60.0


class BlobCache:
    """A table of bytes by key; safe for several processes, durable when `put` returns."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._base = sqlite3.connect(path, timeout=WAIT_S, check_same_thread=False)
        with self._base:
            self._base.execute("create table if not exists blob (key blob primary key, value blob) without rowid")

    def __enter__(self) -> BlobCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._base.close()

    def get(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values of the keys that are known."""
        found: dict[bytes, bytes] = {}
        for start in range(0, len(keys), KEYS_AT_ONCE):
            part = keys[start : start + KEYS_AT_ONCE]
            marks = ",".join("?" * len(part))
            with closing(self._base.execute(f"select key, value from blob where key in ({marks})", part)) as rows:  # noqa: S608 - only question marks
                found.update(rows.fetchall())
        return found

    def put(self, values: Mapping[bytes, bytes]) -> None:
        """Keep values, whole or not at all."""
        with self._base:
            self._base.executemany("insert or replace into blob values (?, ?)", values.items())
