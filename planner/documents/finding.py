"""A finding: one problem, said so that its reader knows where it is and what to do."""

from __future__ import annotations

from typing import Literal

from planner.documents.base import Document

Severity = Literal["error", "warning", "note"]


class Where(Document):
    """The place of a problem: a file, a JSON pointer into it, a line; each as far as it is known."""

    file: str | None = None
    """Path as the user gave it."""
    pointer: str | None = None
    """JSON pointer (RFC 6901), such as `/models/0/id`."""
    line: int | None = None
    """Line in the file, counted from 1."""

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place += f":{self.line}"
        if self.pointer:
            place += f" {self.pointer}" if place else self.pointer
        return place


class Finding(Document):
    """A problem with its severity, code and place, what is wrong, and what to do about it."""

    code: str
    """Stable code, such as `SPEC001` or a rule's id."""
    severity: Severity
    message: str
    """What is wrong, in one sentence, with the value that was found."""
    why: str = ""
    """The reasoning of the rule that found it."""
    fix: str = ""
    """What to do next, in one sentence."""
    where: Where = Where()
    cite: tuple[str, ...] = ()
    """Keys into the catalog's references."""

    def __str__(self) -> str:
        place = f"{self.where}: " if str(self.where) else ""
        return f"{place}{self.message}" + (f" {self.fix}" if self.fix else "")
