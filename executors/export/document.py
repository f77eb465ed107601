"""What an export left, as a document: it lies in the folder, and `adapt export --json` prints it."""

from __future__ import annotations

from typing import Literal

from planner.documents import Finding, ReadAhead


class Part(ReadAhead):
    """One thing that can be started: a training, a server."""

    folder: str
    """Relative to the export's folder; `.` for itself."""
    what: str
    command: str
    """What starts it, in that folder; empty where nothing is started."""


class Export(ReadAhead):
    """An export."""

    format: Literal["adapt.export/1"] = "adapt.export/1"
    target: str
    plan: str
    """Name of the plan."""
    digest: str
    """Digest of the plan."""
    run: str | None = None
    """Id of the run whose results it holds; null for what a plan alone says."""
    parts: tuple[Part, ...]
    files: tuple[str, ...]
    """Relative to the folder, sorted."""
    unsaid: tuple[Finding, ...] = ()
    """What the target was not told, or not as it was planned."""
