"""The journal of a run: what happened, one event a line, on disk before the next thing happens."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from pydantic import ValidationError

from executors.files import disk_guard
from planner.documents import Event, Finding, InputError, Where

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType


class Journal:
    """Appends events; a line that a kill cut in the middle is removed on opening."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with disk_guard(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._stream = path.open("ab")
            _cut_torn_line(path)

    def append(self, event: Event, *, sync: bool = True) -> None:
        """Write an event and make it durable.

        Args:
            event: what happened.
            sync: wait for the disk; without it the next event that waits makes both durable.

        Raises:
            RunError: the disk is full.
        """
        with disk_guard(self.path):
            self._stream.write(event.model_dump_json(exclude_defaults=True).encode() + b"\n")
            self._stream.flush()
            if sync:
                os.fsync(self._stream.fileno())

    def close(self) -> None:
        """Close the file."""
        self._stream.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_journal(path: Path) -> Iterator[Event]:
    """The events of a journal, in order; a torn last line is left out, a missing file has none.

    Raises:
        InputError: a whole line is not an event.
    """
    if not path.is_file():
        return
    with path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if not line.endswith(b"\n"):
                return
            try:
                yield Event.model_validate_json(line)
            except ValidationError:
                message = f"Line {number} of the journal is not an event."
                where = Where(file=str(path), line=number)
                fix = "It was changed by hand or the disk is damaged: move the run's folder away, then run again."
                finding = Finding(code="RUN120", severity="error", message=message, fix=fix, where=where)
                raise InputError([finding]) from None


def last_started(path: Path) -> Event | None:
    """The start of the step that a run was at when it ended without a word; None when it said its end.

    Raises:
        InputError: a whole line is not an event.
    """
    last: Event | None = None
    for event in read_journal(path):
        if event.kind in {"step-started", "step-adopted"}:
            last = event
        elif event.kind in {"run-done", "run-stopped", "step-done", "step-failed"}:
            last = None
    return last


def _cut_torn_line(path: Path) -> None:
    with path.open("r+b") as stream:
        content = stream.read()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            stream.truncate(whole)
            os.fsync(stream.fileno())
