"""Streams a JSON Lines file: rows with their line numbers, and every line that is not a row as a finding.

Public data sets also come as one JSON document, a list of rows or SQuAD's articles: that is read at once.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from planner.documents.public_rows import rows_of_document
from planner.survey.problems import count, problem, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from planner.documents import Finding

MAX_LINE_BYTES = 64 * 2**20
MAX_DOCUMENT_BYTES = 512 * 2**20
MAX_FINDINGS = 3
_OTHER_FORMATS = {
    ".csv": "CSV",
    ".tsv": "TSV",
    ".parquet": "Parquet",
    ".arrow": "Arrow",
    ".xlsx": "a spreadsheet",
    ".gz": "compressed",
    ".zip": "compressed",
    ".zst": "compressed",
    ".yaml": "YAML",
    ".yml": "YAML",
}


class JsonLines:
    """One pass over a file; `findings` is complete when `rows` has ended."""

    def __init__(self, path: Path, name: str) -> None:
        self.path = path
        self.name = name
        """The path as the user wrote it."""
        self.findings: list[Finding] = []
        self.lines = 0
        self.is_document = False
        """Whether the file is one JSON document: then rows are counted, and not lines."""
        self._counts: dict[str, int] = {}

    def report(self, code: str, message: str, fix: str, line: int | None) -> None:
        """Add a finding; of one kind only the first few are kept, and the rest counted."""
        self._counts[code] = self._counts.get(code, 0) + 1
        if self._counts[code] <= MAX_FINDINGS:
            if self.is_document and line is not None:
                message, line = f"Row {line}: {message}", None
            self.findings.append(problem(code, message, fix, file=self.name, line=line))

    def finish(self) -> list[Finding]:
        """All findings, with one more for each kind that was cut off."""
        more = [
            problem(code, f"{count(total - MAX_FINDINGS, 'more line')} with this problem.", file=self.name)
            for code, total in sorted(self._counts.items())
            if total > MAX_FINDINGS
        ]
        return [*self.findings, *more]

    def rows(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Each row with its line number, counted from 1; lines that are no rows are reported and left out."""
        suffix = self.path.suffix.lower()
        if suffix in _OTHER_FORMATS:
            message = f"`{self.name}` is {_OTHER_FORMATS[suffix]}, not JSON Lines."
            self.report("DATA010", message, "Write one JSON object a line.", None)
            return
        try:
            with self.path.open("rb") as stream:
                yield from self._read(stream)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            self.report("DATA011", f"`{self.name}` cannot be read: {reason}.", "", None)
            return
        if self.lines == 0:
            self.report("DATA012", f"`{self.name}` is empty.", "Write one JSON object a line.", None)

    def _read(self, stream: Any) -> Iterator[tuple[int, dict[str, Any]]]:
        number = 0
        while line := stream.readline(MAX_LINE_BYTES + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(b"\xef\xbb\xbf")
                if line.startswith((b"\xff\xfe", b"\xfe\xff")):
                    self.lines = 1
                    self.report("DATA013", f"`{self.name}` is UTF-16.", "Save it as UTF-8.", 1)
                    return
            if len(line) > MAX_LINE_BYTES:
                self.lines += 1
                message = f"The line has more than {MAX_LINE_BYTES >> 20} MiB."
                self.report("DATA014", message, "Write one JSON object a line.", number)
                return
            if line.isspace():
                continue
            whole = _document(line, stream) if number == 1 else None
            if whole is not None:
                self.is_document, self.lines = True, len(whole)
                yield from enumerate(whole, 1)
                return
            self.lines += 1
            row = self._row(line, number)
            if row is _ARRAY:
                return
            if row is not None:
                yield number, row

    def _row(self, line: bytes, number: int) -> dict[str, Any] | None:
        try:
            value = _decoded(line)
        except json.JSONDecodeError as error:
            self._broken(line, number, error)
            return _ARRAY if number == 1 and line.strip() in {b"[", b"[{"} else None
        except UnicodeDecodeError as error:
            message = f"The line is not UTF-8: byte 0x{line[error.start]:02x} at byte {error.start + 1}."
            self.report("DATA013", message, "Save the file as UTF-8.", number)
            return None
        except (RecursionError, ValueError) as error:
            message = f"The line is not valid JSON: {shown(str(error))}."
            self.report("DATA015", message, "Correct the line.", number)
            return None
        if isinstance(value, dict):
            return value
        self.report("DATA016", f"The row is {shown(line.decode())}, not a JSON object.", "Write an object.", number)
        return None

    def _broken(self, line: bytes, number: int, error: json.JSONDecodeError) -> None:
        start = line.strip()
        if number == 1 and start in {b"[", b"[{"}:
            message = "The file is neither JSON Lines nor one JSON list of objects."
            self.report("DATA010", message, "Write one object a line, without brackets and commas.", number)
        elif number == 1 and start == b"{":
            fix = "Write each object on one line."
            self.report("DATA010", "The file spreads a JSON object over several lines.", fix, number)
        elif not line.endswith(b"\n"):
            message = f"The file is truncated: its last line ends in the middle of a row, at column {error.colno}."
            self.report("DATA017", message, "Copy the file again, or delete the line.", number)
        else:
            message = f"The line is not valid JSON: {error.msg} at column {error.colno}."
            self.report("DATA015", message, "Correct or delete it.", number)


def _document(first: bytes, stream: Any) -> list[dict[str, Any]] | None:
    """The rows of a file that is one JSON document, given its first line; None for any other file."""
    start = first.strip()
    if not start.startswith(b"[") and start != b"{" and not (b'"data"' in start and b'"paragraphs"' in start):
        return None
    here = stream.tell()
    content = first + stream.read(MAX_DOCUMENT_BYTES)
    try:
        found = rows_of_document(_decoded(content))
    except (ValueError, RecursionError):
        found = None
    if found is None:
        stream.seek(here)
    return found


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON number")


_DECODER = json.JSONDecoder(parse_constant=_refuse)


def _decoded(line: bytes) -> Any:
    value = _DECODER.decode(line.decode())
    if b"\\ud" in line or b"\\uD" in line:
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise ValueError("an escape is half of a surrogate pair") from None
    return value


# Stands for a file that is an array: reading on would only repeat the problem.
_ARRAY: dict[str, Any] = {}
