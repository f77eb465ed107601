"""What rule books are made of: thresholds, decisions, rules, and what a user's book changes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.documents import Document, JsonValue, RuleBook

RULE_ID = r"^[A-Z]{3}[0-9]{3}$"


class Threshold(Document):
    """A named, cited number that rules share."""

    value: float | int
    unit: str
    why: Annotated[str, Field(min_length=1)]
    cite: tuple[str, ...] = ()
    reason: Annotated[str, Field(min_length=1)] | None = None
    """Why a user's book changes it; required there."""


class Question(Document):
    """A decision: what is asked, the words that answer, and how rules that disagree are settled."""

    asks: str
    answers: tuple[str, ...] | Literal["any", "word", "names", "flag", "number", "count"] = "any"
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
    since: str = ""
    """Version of the book that brought the rule."""
    examples: Annotated[tuple[Example, ...], Field(min_length=2)]

    @property
    def rows(self) -> tuple[dict[str, JsonValue], ...]:
        """The alternatives; a rule that always holds has one empty row."""
        return (self.when,) if isinstance(self.when, dict) else self.when


class Default(Document):
    """What a decision answers when no rule does: the user's instead of the core's."""

    value: JsonValue
    because: Annotated[str, Field(min_length=1)]
    """The reason for the default, read after "because"."""
    reason: Annotated[str, Field(min_length=1)]
    """Why the core's default is changed."""
    cite: tuple[str, ...] = ()


class Source(Document):
    """A source of the user's own, with at least one way to find it."""

    title: Annotated[str, Field(min_length=1)]
    authors: str | None = None
    year: int | None = None
    venue: str | None = None
    doi: str | None = None
    arxiv: Annotated[str, Field(pattern=r"^\d{4}\.\d{4,5}$")] | None = None
    url: Annotated[str, Field(pattern=r"^\S+$")] | None = None

    def __str__(self) -> str:
        who = f"{self.authors}{f' ({self.year})' if self.year else ''}: " if self.authors else ""
        where = f"https://doi.org/{self.doi}" if self.doi else f"https://arxiv.org/abs/{self.arxiv}"
        return f"{who}{self.title}. {where if self.doi or self.arxiv else self.url}"


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
    default: dict[str, Default] = {}
    reference: dict[str, Source] = {}


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
    path: str | None = None
    """The one file of a user's book."""
    defaults: dict[str, Default] = {}
    references: dict[str, Source] = {}

    def record(self, core: tuple[Book, ...] = ()) -> RuleBook:
        """The book as a plan names it.

        Args:
            core: the books that ship, to say what a user's book changes of them.
        """
        changed = [
            f"threshold {name}: {item.value:g} instead of {book.thresholds[name].value:g} {item.unit}: {item.reason}"
            for name, item in self.thresholds.items()
            for book in core
            if self.tier == "user" and name in book.thresholds
        ]
        changed += [f"rule {item.id} is switched off: {item.reason}" for item in self.disabled]
        changed += [f"default of {name}: {shown(item.value)}: {item.reason}" for name, item in self.defaults.items()]
        sources = {key: str(item) for key, item in self.references.items()}
        return RuleBook(
            name=self.name, version=self.version, digest=self.digest, changes=tuple(changed), references=sources
        )


def shown(value: JsonValue) -> str:
    """A value as a rule book writes it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:g}" if isinstance(value, float) else str(value)
