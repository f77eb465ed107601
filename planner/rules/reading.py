"""Reads rule books: those that ship once and quickly, the user's with every mistake told."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import tomllib
from contextlib import suppress
from functools import cache
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from planner.documents import Document, Finding, InputError, digest, validate
from planner.rules.book import Book, BookFile
from planner.rules.problems import of_book, placed

if TYPE_CHECKING:
    from collections.abc import Iterable

CORE = Path(__file__).parent / "core"
REVIEW = Path(__file__).parent / "review"
MAX_BYTES = 10**6
"""Larger files are no rule books."""
TABLES = ("rule", "threshold", "decision", "disable", "default", "reference")


@cache
def core_book() -> Book:
    """The rules that ship with adapt and decide plans."""
    return _shipped(CORE)


@cache
def review_book() -> Book:
    """The rules by which `adapt review` judges configurations."""
    return _shipped(REVIEW)


class _Stored(Document):
    """The files of a book that ships, parsed."""

    digest: str
    files: dict[str, BookFile]


def _shipped(folder: Path) -> Book:
    """A book of the package. Its parsed form is kept where Python keeps compiled modules, under the files' digest."""
    sources = {path.name: path.read_bytes() for path in sorted(folder.glob("*.toml"))}
    key = hashlib.sha256(b"".join(b"%s\0%s\0" % (name.encode(), text) for name, text in sources.items())).hexdigest()
    kept = Path(importlib.util.cache_from_source(__file__)).parent / f"{folder.name}-{key[:32]}.json"
    try:
        stored = _Stored.model_validate_json(kept.read_bytes())
    except (OSError, ValidationError):
        stored = _parsed(sources, folder.name)
        _keep(kept, stored, f"{folder.name}-*.json")
    return _joined(stored)


def _parsed(sources: dict[str, bytes], name: str) -> _Stored:
    read = {
        file: validate(BookFile, read_toml(text.decode(), file), code="BOOK", file=file)
        for file, text in sources.items()
    }
    files = read or {name: BookFile(book=name, version="0.1")}
    return _Stored(digest=digest([file.to_json() for file in files.values()]), files=files)


def _keep(path: Path, stored: _Stored, siblings: str) -> None:
    """Write the parsed form, whole or not at all; a folder that cannot be written costs only time."""
    with suppress(OSError):
        path.parent.mkdir(exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        part.write_text(stored.model_dump_json(), encoding="utf-8")
        part.replace(path)
        for old in path.parent.glob(siblings):
            if old != path:
                old.unlink(missing_ok=True)


def _joined(stored: _Stored) -> Book:
    """The files of a book that ships as one."""
    place: dict[str, str] = {}
    for path, file in stored.files.items():
        for rule in file.rule:
            if rule.id in place:
                raise InputError([of_book("BOOK005", f"Rule id {rule.id} stands twice.", "", f"/rule/{rule.id}", path)])
            place[rule.id] = path
    files = list(stored.files.values())
    return Book(
        name=files[0].book,
        version=files[0].version,
        tier="core",
        thresholds={name: item for file in files for name, item in file.threshold.items()},
        decisions={name: item for file in files for name, item in file.decision.items()},
        rules=tuple(rule for file in files for rule in file.rule),
        disabled=(),
        digest=stored.digest,
        files=place,
    )


def user_book(path: Path) -> Book:
    """A book of the user's own.

    Raises:
        InputError: it cannot be read, or anything in it is wrong; with every problem at once.
    """
    return user_books([path])[0]


def user_books(paths: Iterable[Path]) -> tuple[Book, ...]:
    """The user's books, those that go first first.

    Raises:
        InputError: one cannot be read, or anything in them is wrong; with every problem at once.
    """
    names = list(dict.fromkeys(Path(os.path.normpath(path)) for path in paths))
    if not names:
        return ()
    from planner.rules.checks import problems_of

    books, problems, broken = [], list[Finding](), set[str]()
    for path in names:
        try:
            book, found, lost = read_user_book(path)
        except InputError as error:
            problems += error.findings
            continue
        books.append(book)
        problems += found
        broken |= lost
    problems += problems_of(tuple(books), broken)
    if problems:
        raise InputError(placed(problems, {id_: path for book in reversed(books) for id_, path in book.files.items()}))
    return tuple(books)


def read_user_book(path: Path) -> tuple[Book, list[Finding], set[str]]:
    """A user's book without its broken parts, what is wrong with those, and their names.

    Raises:
        InputError: the file cannot be read, or is not TOML.
    """
    from planner.survey.plain_text import read_text

    name = str(path)
    data = read_toml(read_text(path, name, code="BOOK", max_bytes=MAX_BYTES), name)
    found: list[Finding] = []
    file = BookFile(book=path.stem, version="0")
    try:
        file = validate(BookFile, data, code="BOOK", file=name)
    except InputError as error:
        found = list(error.findings)
    told = {problem.where.pointer for problem in found}
    found += [problem for problem in _not_finite(data, "", name) if problem.where.pointer not in told]
    if found:
        with suppress(InputError):
            file = validate(BookFile, _without(data, found), code="BOOK")
    problems = [_named(problem, data) for problem in found]
    broken = {part for problem in found for part in _place(problem) if part}
    rules = [rule.id for rule in file.rule]
    book = Book(
        name=file.book,
        version=file.version,
        tier="user",
        thresholds=file.threshold,
        decisions=file.decision,
        rules=file.rule,
        disabled=file.disable,
        digest=digest(file.to_json()),
        files=dict.fromkeys(rules, name),
        path=name,
        defaults=file.default,
        references=file.reference,
    )
    return book, problems, broken


def read_toml(text: str, file: str) -> dict[str, Any]:
    """The values of a TOML text.

    Raises:
        InputError: its syntax is wrong.
    """
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        said = str(error)
        found = said.rpartition("line ")[2].split(",")[0]
        line = int(found) if found.isdigit() else text.count("\n") + 1
    except RecursionError:
        said, line = "it is nested too deeply", None
    except ValueError as error:
        said, line = str(error), None
    problem = of_book("BOOK004", f"{file} is not TOML: {said}.", "Mend the syntax.", "", file)
    raise InputError([problem.model_copy(update={"where": problem.where.model_copy(update={"line": line})})])


def _not_finite(value: Any, pointer: str, file: str) -> list[Finding]:
    """Numbers that TOML has and a rule cannot compare with: nan and inf."""
    if isinstance(value, float) and not isfinite(value):
        name = pointer.rpartition("/")[2]
        return [of_book("BOOK003", f"`{name}` is {value}.", "It should be a finite number.", pointer, file)]
    if isinstance(value, dict):
        return [item for key, each in value.items() for item in _not_finite(each, f"{pointer}/{key}", file)]
    if isinstance(value, list):
        return [item for index, each in enumerate(value) for item in _not_finite(each, f"{pointer}/{index}", file)]
    return []


def _place(problem: Finding) -> tuple[str, str]:
    """The kind of table that a finding points into, and its name or number."""
    parts = (problem.where.pointer or "").split("/")
    return parts[1] if len(parts) > 1 else "", parts[2] if len(parts) > 2 else ""  # noqa: PLR2004 - "", kind, name


def _named(problem: Finding, data: dict[str, Any]) -> Finding:
    """The finding with the id of its rule, which says more than its number."""
    kind, number = _place(problem)
    if (problem.where.pointer or "").endswith("/reason") and "missing" not in problem.message:
        return problem.model_copy(update={"fix": "Say why, in a sentence."})
    tables = data.get(kind)
    if kind != "rule" or not isinstance(tables, list) or not number.isdigit():
        return problem
    table = tables[int(number)]
    name = table.get("id") if isinstance(table, dict) else None
    return problem.model_copy(update={"message": f"Rule {name}: {problem.message}"}) if name else problem


def _without(data: dict[str, Any], problems: Iterable[Finding]) -> dict[str, Any]:
    """The values of a book without its broken parts, so that the rest can be looked at too."""
    places = {_place(problem) for problem in problems}
    whole = {kind for kind, name in places if not name}
    kept: dict[str, Any] = {"book": "?", "version": "?"}
    for kind, value in data.items():
        if kind in whole:
            continue
        if isinstance(value, list):
            kept[kind] = [item for number, item in enumerate(value) if (kind, str(number)) not in places]
        elif isinstance(value, dict):
            kept[kind] = {name: item for name, item in value.items() if (kind, name) not in places}
        else:
            kept[kind] = value
    return kept
