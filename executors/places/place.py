"""What a place is: it starts processes and finds them again after its caller was killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Process:
    """A process that a place started."""

    tag: str
    """The name under which it is found again; unique within a state folder."""
    id: str
    """What the place calls it: a pid, or the id of a cluster job."""


class Place(Protocol):
    """Runs a step's worker."""

    def submit(self, command: Sequence[str], tag: str, *, environment: Mapping[str, str], log: Path) -> Process:
        """Start a process.

        Args:
            command: program and arguments.
            tag: the name under which `find` finds it, also after this runner was killed.
            environment: added to the environment that the place gives every process.
            log: the file that gets its standard output and error.
        """

    def find(self, tag: str) -> Process | None:
        """The process of a tag when it still runs, whoever started it."""

    def poll(self, process: Process) -> int | None:
        """None while it runs, then its exit status; negative for a signal, 0 also when the status is not known."""

    def cancel(self, process: Process, grace_s: float) -> None:
        """Ask a process to stop, force it after a grace time in seconds, and return when it is gone."""


class PlaceFactory(Protocol):
    """Makes a place: usually its class."""

    def __call__(self, folder: Path) -> Place:
        """A place that may keep what it must remember in a folder."""
