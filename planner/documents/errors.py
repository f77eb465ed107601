"""The errors that leave the library: each carries findings and the exit code of the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents.finding import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Iterable


class AdaptError(Exception):
    """Any failure that `adapt` explains; catch this one to catch them all."""

    exit_code = 1

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = tuple(findings)
        super().__init__("\n".join(str(finding) for finding in self.findings))

    @classmethod
    def one(
        cls, code: str, message: str, fix: str = "", *, file: str | None = None, pointer: str | None = None
    ) -> AdaptError:
        """The error of a single finding."""
        where = Where(file=file, pointer=pointer)
        return cls([Finding(code=code, severity="error", message=message, fix=fix, where=where)])


class InputError(AdaptError):
    """A document, file or argument that cannot be used: nothing was written (exit code 2)."""

    exit_code = 2


class RunError(AdaptError):
    """A step failed, or the machine did (exit code 1); what was finished is kept."""

    exit_code = 1


class LockedError(AdaptError):
    """Another process holds the state folder (exit code 75, EX_TEMPFAIL of sysexits.h)."""

    exit_code = 75
