"""The worker's side of progress: events appended to a file that the runner follows."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from executors.usage import peak_memory_bytes

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

    from planner.documents import Event

_PAUSE_S = 0.1


class Reporter:
    """Writes events; cheap enough to be called for every batch, because it leaves out what comes too fast."""

    def __init__(self, path: Path, address: str, attempt: int) -> None:
        self._stream = path.open("ab", buffering=0)
        self._address = address
        self._attempt = attempt
        self._next_s = 0.0

    def report(self, event: Event) -> None:
        """Write an event; progress at most ten times a second, its end always."""
        now = time.monotonic()
        is_end = event.done is not None and event.done == event.total
        if event.kind == "progress" and now < self._next_s and not is_end:
            return
        self._next_s = now + _PAUSE_S
        known = {
            "step": self._address,
            "attempt": self._attempt,
            "peak_memory_bytes": event.peak_memory_bytes or peak_memory_bytes(),
        }
        line = event.model_copy(update=known).model_dump_json(exclude_defaults=True)
        self._stream.write(line.encode() + b"\n")  # one write a line: a reader sees whole lines

    def __enter__(self) -> Reporter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()
