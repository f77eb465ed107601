"""What a review of configurations found: the files, what each is, and the findings."""

from __future__ import annotations

from typing import Literal

from planner.documents.base import JsonValue, ReadAhead
from planner.documents.finding import Finding, Severity, Where
from planner.documents.step import Estimate

Tool = Literal["trl", "axolotl", "llama-factory", "peft", "mergekit", "adapt-spec", "adapt-plan"]
RANK: dict[Severity, int] = {"note": 0, "warning": 1, "error": 2}


class Setting(ReadAhead):
    """One value of a configuration in the words of `adapt`, and where it stands."""

    value: JsonValue
    name: str
    """The tool's own name of it, such as `per_device_train_batch_size`."""
    where: Where = Where()
    stated: bool = True
    """False when the file leaves it to the tool's default."""


class ReviewedFile(ReadAhead):
    """A file that was read, as what, and what it sets."""

    file: str
    tool: Tool
    recognised_by: tuple[str, ...]
    """Keys of the file that told the tool."""
    settings: dict[str, Setting] = {}
    memory: Estimate | None = None
    """Peak memory of one device in bytes; null when the model is not known."""
    device: str | None = None
    """The device that the memory was compared with."""
    unknowns: tuple[str, ...] = ()
    """What could not be judged, and why."""


class Suppressed(ReadAhead):
    """A finding that is not counted, and who says so."""

    finding: Finding
    by: Literal["inline", "baseline"]
    reason: str = ""


class Findings(ReadAhead):
    """The result of a review."""

    format: Literal["adapt.findings/1"] = "adapt.findings/1"
    files: tuple[ReviewedFile, ...] = ()
    findings: tuple[Finding, ...] = ()
    """Sorted by file, line and code."""
    suppressed: tuple[Suppressed, ...] = ()
    references: dict[str, str] = {}
    """Sources that the user's rule books bring: key to the source and its address."""

    def at_least(self, severity: Severity) -> tuple[Finding, ...]:
        """The findings of a severity or worse."""
        return tuple(item for item in self.findings if RANK[item.severity] >= RANK[severity])
