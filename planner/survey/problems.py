"""Makes findings briefly: every part of the survey gathers them and lets `survey` raise once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Finding, InputError, Severity, Where

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

SHOWN_CHARACTERS = 60
SHOWN_ITEMS = 3


def problem(
    code: str,
    message: str,
    fix: str = "",
    *,
    file: str | None = None,
    line: int | None = None,
    pointer: str | None = None,
    severity: Severity = "error",
) -> Finding:
    """One finding; `file` is the path as the user wrote it, `line` counts from 1."""
    where = Where(file=None if file is None else _clean(file), pointer=pointer and _clean(pointer), line=line)
    return Finding(code=code, severity=severity, message=_clean(message), fix=_clean(fix), where=where)


def raise_errors(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings, when none of them is an error.

    Raises:
        InputError: at least one is an error; it carries all of them.
    """
    kept = tuple(dict.fromkeys(findings))
    if any(finding.severity == "error" for finding in kept):
        raise InputError(kept)
    return kept


def shown(text: str) -> str:
    """A value from a file, short enough for a message."""
    plain = " ".join(text.split())
    return plain if len(plain) <= SHOWN_CHARACTERS else plain[: SHOWN_CHARACTERS - 3] + "..."


def _clean(text: str) -> str:
    """Text that a document can hold: half characters, as in some file names, become question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def first_of(items: Sequence[object], total: int | None = None) -> str:
    """The first few items of a list and how many more there are: `a, b, c and 4 more`."""
    more = (len(items) if total is None else total) - min(len(items), SHOWN_ITEMS)
    text = ", ".join(str(item) for item in items[:SHOWN_ITEMS])
    return f"{text} and {more} more" if more > 0 else text


def count(number: int, noun: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def pointer_to(*parts: str | int) -> str:
    """A JSON pointer (RFC 6901) from its parts."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)
