"""Rule books: TOML files of thresholds, decisions and rules, read and checked."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from planner.documents import Document, Finding, InputError, JsonValue, RuleBook, Where, digest, validate

CORE = Path(__file__).parent / "core"
REVIEW = Path(__file__).parent / "review"
RULE_ID = r"^[A-Z]{3}[0-9]{3}$"


class Threshold(Document):
    """A named, cited number that rules share."""

    value: float | int
    unit: str
    why: Annotated[str, Field(min_length=1)]
    cite: tuple[str, ...] = ()
    reason: str | None = None
    """Why a user's book changes it; required there."""


class Question(Document):
    """A decision: what is asked, the words that answer, and how rules that disagree are settled."""

    asks: str
    answers: tuple[str, ...] | Literal["any", "word", "flag", "number", "count"] = "any"
    """The words, or the form of any other answer; a number is zero or more, a count is whole and one or more."""
    policy: Literal["first", "unique", "collect"] = "first"
    default: JsonValue = None
    because: str
    """The reason for the default, read after "because"."""
    cite: tuple[str, ...] = ()


class Example(Document):
    """A test of a rule: facts, and whether it then holds."""

    given: dict[str, JsonValue]
    holds: bool


class Rule(Document):
    """A row: when its conditions on facts hold, it answers a decision, or forbids answers."""

    id: Annotated[str, Field(pattern=RULE_ID)]
    name: Annotated[str, Field(min_length=1)]
    """Reads after "because"."""
    decides: str
    when: dict[str, JsonValue] | tuple[dict[str, JsonValue], ...]
    """Cells that must all hold; with several rows, one row is enough."""
    answer: JsonValue = None
    """A word or number; `$name` for a threshold, `@name` for the value of a fact."""
    vetoes: tuple[str, ...] = ()
    """Answers that cannot work when the conditions hold."""
    severity: Literal["error", "warning", "note"] | None = None
    """Of the finding that a rule of the decision `warnings` raises."""
    why: Annotated[str, Field(min_length=1)]
    fix: str = ""
    about: str = ""
    """Setting of a reviewed configuration that the finding points at."""
    cite: Annotated[tuple[str, ...], Field(min_length=1)]
    since: str
    examples: Annotated[tuple[Example, ...], Field(min_length=2)]

    @property
    def rows(self) -> tuple[dict[str, JsonValue], ...]:
        """The alternatives; a rule that always holds has one empty row."""
        return (self.when,) if isinstance(self.when, dict) else self.when


class Disabled(Document):
    """A rule of another book that the user switches off."""

    id: Annotated[str, Field(pattern=RULE_ID)]
    reason: Annotated[str, Field(min_length=1)]


class BookFile(Document):
    """One TOML file."""

    book: str
    version: str
    threshold: dict[str, Threshold] = {}
    decision: dict[str, Question] = {}
    rule: tuple[Rule, ...] = ()
    disable: tuple[Disabled, ...] = ()


class Book(Document):
    """All files of one book, in the order of their names; the user's books come before the core."""

    name: str
    version: str
    tier: Literal["user", "core"]
    thresholds: dict[str, Threshold]
    decisions: dict[str, Question]
    rules: tuple[Rule, ...]
    disabled: tuple[Disabled, ...]
    digest: str
    files: dict[str, str] = {}
    """Rule id to the file where it stands, for messages."""

    def record(self) -> RuleBook:
        """The book as a plan names it."""
        return RuleBook(name=self.name, version=self.version, digest=self.digest)


def read_book_file(path: Path) -> BookFile:
    """Read one TOML file of a rule book.

    Raises:
        InputError: it is not there, not TOML, or a field is wrong; every problem is a finding.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError.one("BOOK004", f"The rule book {path} cannot be read: {error}.", file=str(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise InputError.one("BOOK004", f"{path} is not TOML: {error}.", "Mend the syntax.", file=str(path)) from None
    return validate(BookFile, data, code="BOOK", file=str(path))


def _assemble(read: dict[str, BookFile], tier: Literal["user", "core"]) -> Book:
    files = list(read.values())
    place: dict[str, str] = {}
    doubles = []
    for path, file in read.items():
        for rule in file.rule:
            if rule.id in place:
                where = Where(file=path, pointer=f"/rule/{rule.id}")
                message = f"Rule id {rule.id} stands twice."
                doubles.append(
                    Finding(code="BOOK005", severity="error", message=message, fix="Ids are never reused.", where=where)
                )
            place.setdefault(rule.id, path)
    if doubles:
        raise InputError(doubles)
    return Book(
        name=files[0].book,
        version=files[0].version,
        tier=tier,
        thresholds={name: item for file in files for name, item in file.threshold.items()},
        decisions={name: item for file in files for name, item in file.decision.items()},
        rules=tuple(rule for file in files for rule in file.rule),
        disabled=tuple(item for file in files for item in file.disable),
        digest=digest([file.to_json() for file in files]),
        files=place,
    )


@cache
def core_book() -> Book:
    """The rules that ship with adapt."""
    return _assemble({path.name: read_book_file(path) for path in sorted(CORE.glob("*.toml"))}, "core")


@cache
def review_book() -> Book:
    """The rules by which `adapt review` judges configurations."""
    found = {path.name: read_book_file(path) for path in sorted(REVIEW.glob("*.toml"))}
    return _assemble(found or {"review": BookFile(book="review", version="0.1")}, "core")


def user_book(path: Path) -> Book:
    """A book of the user's own.

    Raises:
        InputError: it cannot be read, or changes a threshold without a reason.
    """
    file = read_book_file(path)
    silent = [
        name
        for name, item in file.threshold.items()
        if item.reason is None and (name in core_book().thresholds or name in review_book().thresholds)
    ]
    if silent:
        raise InputError(
            Finding(
                code="BOOK006",
                severity="error",
                message=f"The threshold `{name}` is changed without a reason.",
                fix='Add `reason = "..."`.',
                where=Where(file=str(path), pointer=f"/threshold/{name}"),
            )
            for name in silent
        )
    return _assemble({str(path): file}, "user")
