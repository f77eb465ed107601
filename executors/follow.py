"""The runner's side of progress: follows the events that a worker appends to a file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from planner.documents import Event

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Follower:
    """Reads what was appended since the last time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0

    def new_events(self) -> Iterator[Event]:
        """Events that are new; a line that is still being written waits for the next time."""
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._offset)
                lines = stream.read().splitlines(keepends=True)
        except FileNotFoundError:
            return
        for line in lines:
            if not line.endswith(b"\n"):
                return
            self._offset += len(line)
            try:
                yield Event.model_validate_json(line)
            except ValidationError:
                continue  # progress is for display only
