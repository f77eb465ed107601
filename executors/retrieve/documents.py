"""Documents from files: text, Markdown, HTML, PDF and JSON Lines, one after another, never all at once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROW_SUFFIXES = (".jsonl", ".ndjson")
TEXT_SUFFIXES = (".adoc", ".md", ".markdown", ".rst", ".tex", ".text", ".txt")
TITLE_CHARACTERS = 120


@dataclass(frozen=True)
class SourceDocument:
    """One document with the name under which answers cite it."""

    id: str
    """The row's own id, or the file's path inside of its folder."""
    title: str
    text: str


@dataclass(frozen=True)
class Unreadable:
    """A document that has nothing to search, and why."""

    id: str
    because: str


def read_documents(path: Path) -> Iterator[SourceDocument | Unreadable]:
    """The documents of a file, or of all known files of a folder in the order of their names.

    A document without text does not stop the others: it comes as `Unreadable`.

    Raises:
        InputError: the path is not there, or a row of a JSON Lines file is no JSON object.
    """
    if not path.exists():
        raise InputError.one("DATA001", "The documents are not there.", "Correct the path.", file=str(path))
    for file in _files(path):
        name = file.name if file == path else file.relative_to(path).as_posix()
        if file.suffix.lower() in ROW_SUFFIXES:
            yield from _rows(file)
        else:
            yield _document(file, name)


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    known = {*READERS, *ROW_SUFFIXES}
    found = (item for item in path.rglob("*") if item.is_file() and item.suffix.lower() in known)
    return sorted(item for item in found if not any(part.startswith(".") for part in item.relative_to(path).parts))


def _document(file: Path, name: str) -> SourceDocument | Unreadable:
    try:
        text = READERS.get(file.suffix.lower(), _plain)(file).strip()
    except UnicodeDecodeError:
        return Unreadable(name, "it is not UTF-8 text")
    except Exception as error:  # noqa: BLE001 - whatever a parser makes of a broken file, the others go on
        said = "".join(str(error).splitlines()[:1]) or type(error).__name__
        return Unreadable(name, f"it cannot be read ({said})")
    if not text:
        scanned = " (a scan needs text recognition first)" if file.suffix.lower() == ".pdf" else ""
        return Unreadable(name, f"it holds no text{scanned}")
    if "\x00" in text:
        return Unreadable(name, "it is binary")
    return SourceDocument(name, _title(text, name), text)


def _rows(file: Path) -> Iterator[SourceDocument | Unreadable]:
    with file.open(encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row: Any = json.loads(line)
            except json.JSONDecodeError as error:
                message = f"Line {number} is not JSON: {error.msg}."
                raise InputError.one("DATA003", message, "Each line holds one JSON object.", file=str(file)) from None
            text = row.get("text") if isinstance(row, dict) else None
            name = str(row.get("id", f"{file.name}#{number}")) if isinstance(row, dict) else f"{file.name}#{number}"
            if isinstance(text, str) and text.strip():
                yield SourceDocument(name, str(row.get("title") or _title(text, name)), text.strip())
            else:
                yield Unreadable(name, f"line {number} of {file.name} has no `text`")


def _plain(file: Path) -> str:
    return file.read_text(encoding="utf-8-sig")


def _html(file: Path) -> str:
    from bs4 import BeautifulSoup

    page = BeautifulSoup(file.read_bytes(), "lxml")
    for hidden in page(["script", "style", "template", "noscript"]):
        hidden.decompose()
    title = page.title.get_text(" ", strip=True) if page.title else ""
    body = (page.body or page).get_text("\n", strip=True)
    return f"{title}\n{body}" if title else body


def _pdf(file: Path) -> str:
    from pypdf import PdfReader

    return "\n\n".join(page.extract_text() for page in PdfReader(file).pages)


READERS: dict[str, Callable[[Path], str]] = {
    **dict.fromkeys(TEXT_SUFFIXES, _plain),
    ".html": _html,
    ".htm": _html,
    ".pdf": _pdf,
}


def _title(text: str, name: str) -> str:
    """The first line when it is short enough to be a heading, else the document's name."""
    first = text.lstrip().partition("\n")[0].strip().lstrip("#= ").strip()
    return first if 0 < len(first) <= TITLE_CHARACTERS else Path(name).stem
