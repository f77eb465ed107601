"""The compiled rule table: books joined, thresholds put in, decisions ordered by what they read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from graphlib import CycleError, TopologicalSorter
from itertools import combinations
from typing import TYPE_CHECKING

from planner.documents import Finding, InputError, JsonValue, Where, near
from planner.facts import FACTS, INPUTS, PLAN_INPUTS, dependencies
from planner.rules.cells import CellError, Test, parse_cell

if TYPE_CHECKING:
    from planner.documents.decision import Tier
    from planner.rules.book import Book, Question, Rule


@dataclass(frozen=True)
class Row:
    """A rule with its cells read: alternatives of tests that must all hold."""

    rule: Rule
    tier: Tier
    rows: tuple[tuple[tuple[str, Test], ...], ...]


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


@lru_cache(maxsize=16)
def _compile(books: tuple[str, ...], inputs: frozenset[str], key: _Books) -> Table:
    """Cached by the books' digests: a process that plans often reads its tables once."""
    del books
    return _build(key.books, inputs)


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


def _build(books: tuple[Book, ...], inputs: frozenset[str]) -> Table:
    thresholds = {name: item.value for book in reversed(books) for name, item in book.thresholds.items()}
    questions = {name: item for book in reversed(books) for name, item in book.decisions.items()}
    disabled = {item.id for book in books for item in book.disabled}
    problems: list[Finding] = _across(books)
    rows: dict[str, list[Row]] = {name: [] for name in questions}
    for book in books:
        for rule in book.rules:
            if rule.id in disabled:
                continue
            row, found = _read(rule, book.tier, thresholds, questions)
            problems += found + _beyond(rule, inputs)
            if rule.decides in rows:
                rows[rule.decides].append(row)
    if not problems:
        problems += _overlaps(questions, rows)
    if problems:
        files = {f"/rule/{id_}": path for book in reversed(books) for id_, path in book.files.items()}
        raise InputError(_placed(problem, files) for problem in problems)
    table = {name: tuple(found) for name, found in rows.items()}
    return Table(questions, _order(questions, rows), table, thresholds)


def _across(books: tuple[Book, ...]) -> list[Finding]:
    """What is wrong between books: a rule's id taken twice, a rule switched off that is not there."""
    problems = []
    owner: dict[str, Book] = {}
    for book in reversed(books):
        for rule in book.rules:
            if rule.id in owner:
                where = Where(file=book.files.get(rule.id), pointer=f"/rule/{rule.id}")
                message = f"Rule id {rule.id} is taken by the book `{owner[rule.id].name}`."
                fix = "Give it a new id; to replace a rule, disable it with a reason and add your own."
                problems.append(Finding(code="BOOK005", severity="error", message=message, fix=fix, where=where))
            owner[rule.id] = book
    for book in books:
        for item in book.disabled:
            if item.id not in owner:
                message = f"The book `{book.name}` disables rule {item.id}, which is in no book."
                fix = "Take the entry out, or correct the id."
                problems.append(Finding(code="BOOK009", severity="error", message=message, fix=fix))
    return problems


def _placed(problem: Finding, files: dict[str, str]) -> Finding:
    """The finding with the file of its rule."""
    where = problem.where
    file = where.file or files.get(where.pointer or "")
    return problem.model_copy(update={"where": where.model_copy(update={"file": file})})


def _problem(rule: Rule, message: str, fix: str = "") -> Finding:
    where = Where(pointer=f"/rule/{rule.id}")
    return Finding(code="BOOK007", severity="error", message=f"Rule {rule.id}: {message}", fix=fix, where=where)


def _read(
    rule: Rule, tier: Tier, thresholds: dict[str, float], questions: dict[str, Question]
) -> tuple[Row, list[Finding]]:
    """The rule with its cells read, and what is wrong with it."""
    problems = []
    question = questions.get(rule.decides)
    if question is None:
        problems.append(_problem(rule, f"there is no decision `{rule.decides}`.", near(rule.decides, questions)))
    elif not isinstance(question.answers, str):
        words = [rule.answer, *rule.vetoes] if rule.answer is not None else list(rule.vetoes)
        problems += [
            _problem(rule, f"`{word}` is no answer to {rule.decides}.", f"Allowed: {', '.join(question.answers)}.")
            for word in words
            if word not in question.answers and not str(word).startswith(("@", "$"))
        ]
    if (rule.answer is None) == (not rule.vetoes):
        problems.append(_problem(rule, "it must have either an `answer` or `vetoes`."))
    problems += _reference(rule, thresholds)
    rows = []
    for cells in rule.rows:
        tests = []
        for name, cell in cells.items():
            try:
                test = parse_cell(cell, thresholds)
            except CellError as error:
                problems.append(_problem(rule, f"column `{name}`: {error}."))
                continue
            entry = FACTS.get(name)
            if entry is None and name not in questions:
                hint = near(name, {*FACTS, *questions})
                problems.append(_problem(rule, f"column `{name}`: there is no such fact.", hint))
            elif entry is not None and entry.kind != test.kind():
                message = f"column `{name}` compares a {entry.kind} with `{cell}`."
                problems.append(_problem(rule, message, f"The fact is a {entry.kind}."))
            elif entry is None:
                problems += _words(rule, name, test, questions[name])
            tests.append((name, test))
        rows.append(tuple(tests))
    return Row(rule, "veto" if rule.vetoes else tier, tuple(rows)), problems


def _beyond(rule: Rule, inputs: frozenset[str]) -> list[Finding]:
    """Facts of a rule that start from what this table does not have."""
    answer = rule.answer
    read = [name for cells in rule.rows for name in cells]
    read += [answer[1:]] if isinstance(answer, str) and answer.startswith("@") else []
    problems = []
    for name in dict.fromkeys(read):
        if absent := sorted((dependencies([name], FACTS) & INPUTS) - inputs):
            message = f"column `{name}` looks at the {absent[0]}, which a decision on `{rule.decides}` does not have."
            problems.append(_problem(rule, message, f"It may look at: {', '.join(sorted(inputs))}."))
    return problems


def _words(rule: Rule, name: str, test: Test, question: Question) -> list[Finding]:
    """A cell that compares a decision with what it never answers would silently never match."""
    if isinstance(question.answers, str):
        return []
    return [
        _problem(rule, f"column `{name}`: `{word}` is no answer to {name}.", f"Allowed: {', '.join(question.answers)}.")
        for word in test.operands
        if word not in question.answers
    ]


def _reference(rule: Rule, thresholds: dict[str, float]) -> list[Finding]:
    """Whether `$threshold` or `@fact` in an answer exists."""
    answer = rule.answer
    if isinstance(answer, str) and answer.startswith("$") and answer[1:] not in thresholds:
        return [_problem(rule, f"there is no threshold `{answer}`.", near(answer[1:], thresholds))]
    if isinstance(answer, str) and answer.startswith("@") and answer[1:] not in FACTS:
        return [_problem(rule, f"there is no fact `{answer}`.", near(answer[1:], FACTS))]
    return []


def _overlaps(questions: dict[str, Question], rows: dict[str, list[Row]]) -> list[Finding]:
    """Pairs of rules of a `unique` decision that one state of the facts would fire together."""
    return [
        _problem(
            one.rule, f"it and {two.rule.id} can both match, but `{name}` takes one.", "Tell them apart by a cell."
        )
        for name, question in questions.items()
        if question.policy == "unique"
        for one, two in combinations([row for row in rows[name] if row.tier != "veto"], 2)
        if any(_meet(dict(left), dict(right)) for left in one.rows for right in two.rows)
    ]


def _meet(left: dict[str, Test], right: dict[str, Test]) -> bool:
    return not any(name in right and test.disjoint(right[name]) for name, test in left.items())


def _order(questions: dict[str, Question], rows: dict[str, list[Row]]) -> tuple[str, ...]:
    """Decisions such that each comes after those that its facts read; ties in the order of the books."""
    graph: dict[str, list[str]] = {}
    for name, question in questions.items():
        read = {fact for row in rows[name] for tests in row.rows for fact, _ in tests}
        answers = [question.default, *(row.rule.answer for row in rows[name])]
        read |= {str(answer)[1:] for answer in answers if str(answer).startswith("@")}
        found = dependencies(read, FACTS) - INPUTS
        graph[name] = [other for other in questions if other in found]
    try:
        return tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        circle: list[JsonValue] = list(error.args[1])
        message = f"These decisions wait for each other: {' -> '.join(map(str, circle))}."
        raise InputError.one("BOOK008", message, "A fact of one of them must not read the other.") from None
