"""The compiled rule table: books joined, thresholds put in, decisions ordered by what they read."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from planner.documents import Finding, InputError
from planner.facts import FACTS, INPUTS, PLAN_INPUTS, dependencies
from planner.rules.columns import Names, Row, read_rule
from planner.rules.problems import of_book, placed
from planner.rules.reach import overlaps

if TYPE_CHECKING:
    from planner.rules.book import Book, Question
    from planner.rules.memo import QuestionMemo

__all__ = ["Joined", "Row", "Table", "compile_books", "join"]


@dataclass(frozen=True)
class Table:
    """Everything that one evaluation needs."""

    questions: dict[str, Question]
    """In the order of the books, which is the order in which people read them."""
    order: tuple[str, ...]
    """The questions in an order in which they can be answered."""
    rows: dict[str, tuple[Row, ...]]
    """Rules of each question: the user's first, then the core's, each in the order of its book."""
    thresholds: dict[str, float]
    memo: dict[str, QuestionMemo] = field(default_factory=dict, compare=False, repr=False)
    """What earlier evaluations found."""


@dataclass(frozen=True)
class Joined:
    """A table before it is known to be sound."""

    table: Table
    names: Names
    problems: list[Finding]


@lru_cache(maxsize=16)
def _compile(books: tuple[str, ...], inputs: frozenset[str], key: _Books) -> Table:
    """Cached by the books' digests: a process that plans often reads its tables once."""
    del books
    joined = join(key.books, inputs)
    problems = joined.problems or overlaps(joined.table.questions, joined.table.rows)
    if problems:
        raise InputError(placed(problems, rule_files(key.books)))
    return joined.table


@dataclass(frozen=True, eq=False)
class _Books:
    """Carries the books past the cache, which compares their digests only."""

    books: tuple[Book, ...]

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Books)


def compile_books(books: tuple[Book, ...], inputs: frozenset[str] = PLAN_INPUTS) -> Table:
    """Join books into one table; earlier books go before later ones.

    Args:
        books: the user's, and then the one that ships.
        inputs: what the facts of this table may start from.

    Raises:
        InputError: a cell, fact, threshold, decision or answer that does not exist, two rows of a `unique` decision
            that can both match, or decisions that wait for each other; every problem is a finding.
    """
    return _compile(tuple(book.digest for book in books), inputs, _Books(books))


def rule_files(books: tuple[Book, ...]) -> dict[str, str]:
    """The file of every rule; of an id that is taken twice, the one that the user can mend."""
    return {id_: path for book in reversed(books) for id_, path in book.files.items()}


def join(books: tuple[Book, ...], inputs: frozenset[str]) -> Joined:
    """The table of some books with everything that is wrong with its rules and their order."""
    thresholds = {name: item.value for book in reversed(books) for name, item in book.thresholds.items()}
    questions = {name: item for book in reversed(books) for name, item in book.decisions.items()}
    for book in reversed(books):
        for name, default in book.defaults.items():
            if name in questions:
                changed = {"default": default.value, "because": default.because, "cite": default.cite}
                questions[name] = questions[name].model_copy(update=changed)
    names = Names(FACTS, thresholds, questions, inputs)
    disabled = {item.id for book in books for item in book.disabled}
    problems: list[Finding] = _across(books)
    rows: dict[str, list[Row]] = {name: [] for name in questions}
    for book in books:
        for rule in book.rules:
            if rule.id in disabled:
                continue
            row, found = read_rule(rule, book.tier, names)
            problems += found
            if rule.decides in rows:
                rows[rule.decides].append(row)
    order, circles = _order(questions, rows)
    table = Table(questions, order, {name: tuple(found) for name, found in rows.items()}, thresholds)
    return Joined(table, names, problems + circles)


def _across(books: tuple[Book, ...]) -> list[Finding]:
    """What is wrong between books: a rule's id taken twice, a rule switched off that is not there."""
    problems = []
    owner: dict[str, Book] = {}
    for book in reversed(books):
        for rule in book.rules:
            if rule.id in owner:
                other = owner[rule.id]
                message = f"Rule id {rule.id} " + (
                    "stands twice." if other is book else f"is taken by the book `{other.name}`."
                )
                fix = "Give it a new id; to replace a rule, disable it with a reason and add your own."
                problems.append(of_book("BOOK005", message, fix, f"/rule/{rule.id}", book.files.get(rule.id)))
            owner[rule.id] = book
    for book in books:
        for item in book.disabled:
            if item.id not in owner:
                message = f"The book `{book.name}` disables rule {item.id}, which is in no book."
                fix = "Take the entry out, or correct the id; `adapt rules list` lists the rules."
                problems.append(of_book("BOOK009", message, fix, f"/disable/{item.id}", book.path))
    return problems


def _order(questions: dict[str, Question], rows: dict[str, list[Row]]) -> tuple[tuple[str, ...], list[Finding]]:
    """Decisions such that each comes after those that its facts read; ties in the order of the books."""
    graph: dict[str, list[str]] = {}
    for name, question in questions.items():
        read = {fact for row in rows[name] for tests in row.rows for fact, _ in tests}
        answers = [question.default, *(row.rule.answer for row in rows[name])]
        read |= {str(answer)[1:] for answer in answers if str(answer).startswith("@")}
        found = dependencies(read, FACTS) - INPUTS
        graph[name] = [other for other in questions if other in found]
    try:
        return tuple(TopologicalSorter(graph).static_order()), []
    except CycleError as error:
        circle = [str(name) for name in error.args[1]]
        message = f"These decisions wait for each other: {' -> '.join(circle)}."
        inside = [row.rule.id for name in circle for row in rows[name] if row.tier == "user"]
        pointer = f"/rule/{inside[0]}" if inside else ""
        return (), [of_book("BOOK008", message, "A fact of one of them must not read the other.", pointer)]
