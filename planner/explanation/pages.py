"""What the rule books hold, as pages: a rule, a threshold, a fact, a decision; each with what builds on it."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Literal, NamedTuple

from planner.documents import JsonValue, ReadAhead
from planner.explanation.reading import source_text
from planner.explanation.words import amount, needed
from planner.facts import FACTS, PLAN_INPUTS, REVIEW_INPUTS
from planner.rules import core_book, review_book
from planner.rules.answers import FORMS
from planner.rules.checks import learn_review_facts
from planner.rules.table import join
from planner.rules.tables import of_plans, of_reviews

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.rules import Book
    from planner.rules.book import Question
    from planner.rules.cells import Test
    from planner.rules.columns import Row
    from planner.rules.table import Joined

POLICIES = {
    "first": "The first rule that holds answers.",
    "unique": "At most one rule can hold, and it answers.",
    "collect": "Every rule that holds adds its answer.",
}


class ExampleLine(ReadAhead):
    """A test of a rule."""

    given: dict[str, JsonValue]
    holds: bool


class FactPage(ReadAhead):
    """A fact: what it is, and who looks at it."""

    kind: Literal["fact"] = "fact"
    name: str
    what: str
    value: str
    """`bool`, `number` or `word`."""
    unit: str = ""
    words: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    """The inputs, facts and answers that it is computed from."""
    rules: tuple[str, ...] = ()
    cite: dict[str, str] = {}


class ThresholdPage(ReadAhead):
    """A threshold: its value, why it is that, and what builds on it."""

    kind: Literal["threshold"] = "threshold"
    name: str
    value: float | int
    unit: str
    why: str
    reason: str | None = None
    book: str
    rules: tuple[str, ...] = ()
    facts: tuple[str, ...] = ()
    """Facts whose computation reads it."""
    cite: dict[str, str] = {}


class RulePage(ReadAhead):
    """A rule: what it answers or forbids, when, why, and how it is tested."""

    kind: Literal["rule"] = "rule"
    id: str
    name: str
    decides: str
    asks: str
    answer: JsonValue = None
    vetoes: tuple[str, ...] = ()
    severity: str | None = None
    conditions: tuple[tuple[str, ...], ...]
    """Alternatives of conditions that must all hold, in words; one empty alternative always holds."""
    why: str
    fix: str = ""
    about: str = ""
    since: str = ""
    book: str
    file: str = ""
    thresholds: tuple[str, ...] = ()
    examples: tuple[ExampleLine, ...] = ()
    reads: dict[str, str] = {}
    """The facts and decisions that it looks at, and what they are."""
    beside: tuple[str, ...] = ()
    """Other rules of the same decision."""
    cite: dict[str, str] = {}


class DecisionPage(ReadAhead):
    """A decision: what it asks, how it is settled, and its rules in the order in which they are tried."""

    kind: Literal["decision"] = "decision"
    name: str
    of: Literal["plan", "review"]
    asks: str
    takes: str
    """The words or the form of an answer."""
    policy: str
    default: JsonValue = None
    because: str
    rules: tuple[str, ...] = ()
    read_by: tuple[str, ...] = ()
    """Rules of other decisions that look at the answer."""
    cite: dict[str, str] = {}


Page = RulePage | ThresholdPage | FactPage | DecisionPage


class Catalogue(NamedTuple):
    """Every page, by name, in the order of the books."""

    rules: dict[str, RulePage]
    thresholds: dict[str, ThresholdPage]
    decisions: dict[str, DecisionPage]
    facts: dict[str, FactPage]

    def find(self, name: str) -> Page | None:
        """The page of an id or name; `$name` is a threshold, `@name` a fact."""
        if name.upper() in self.rules:
            return self.rules[name.upper()]
        bare = name.lstrip("$@").lower()
        return self.decisions.get(bare) or self.thresholds.get(bare) or self.facts.get(bare)

    def names(self) -> tuple[str, ...]:
        """Everything that has a page."""
        return (*self.rules, *self.decisions, *self.thresholds, *self.facts)


def catalogue(own: tuple[Book, ...] = ()) -> Catalogue:
    """The pages of the books that ship, and of some of the user's own."""
    learn_review_facts()
    books = (*own, core_book(), review_book())
    plan = join((*(of_plans(book) for book in own), core_book()), PLAN_INPUTS)
    review = join((*(of_reviews(book) for book in own), review_book()), REVIEW_INPUTS)
    owner = {rule.id: book for book in reversed(books) for rule in book.rules}
    rows = [(joined, row) for joined in (plan, review) for found in joined.table.rows.values() for row in found]
    rules = {row.rule.id: _rule(joined, row, owner[row.rule.id]) for joined, row in rows}
    return Catalogue(
        rules,
        _thresholds(books, rules),
        {name: item for joined in (plan, review) for name, item in _decisions(joined, joined is review, rows).items()},
        _facts(rules),
    )


def sources(keys: Iterable[str], books: Iterable[Book] = ()) -> dict[str, str]:
    """Citation keys with what they stand for."""
    own = {key: str(source) for book in books for key, source in book.references.items()}
    return {key: own.get(key) or source_text(key) for key in keys}


def _rule(joined: Joined, row: Row, book: Book) -> RulePage:
    rule, question = row.rule, joined.table.questions[row.rule.decides]
    read = dict.fromkeys(name for cells in row.rows for name, _ in cells)
    answer = rule.answer
    used = [name for cells in row.rows for _, test in cells for name in test.thresholds]
    used += [answer[1:]] if isinstance(answer, str) and answer.startswith("$") else []
    return RulePage(
        id=rule.id,
        name=rule.name,
        decides=rule.decides,
        asks=question.asks,
        answer=answer,
        vetoes=rule.vetoes,
        severity=rule.severity,
        conditions=tuple(tuple(condition(name, test) for name, test in cells) for cells in row.rows),
        why=rule.why,
        fix=rule.fix,
        about=rule.about,
        since=rule.since,
        book=book.name,
        file=book.files.get(rule.id, ""),
        thresholds=tuple(dict.fromkeys(used)),
        examples=tuple(ExampleLine(given=item.given, holds=item.holds) for item in rule.examples),
        reads={name: _what(name, joined.table.questions) for name in read},
        beside=tuple(other.rule.id for other in joined.table.rows[rule.decides] if other is not row),
        cite=sources(rule.cite, (book,)),
    )


def condition(name: str, test: Test) -> str:
    """A cell in words: `train_rows: 1,000 rows or more ($full_rows)`."""
    unit = FACTS[name].unit if name in FACTS else ""
    words = needed(str(test), unit)
    if test.kind() == "bool":
        wanted = test.operands[0] if test.op == "=" else not test.operands[0]
        words = "yes" if wanted else "no"
    named = ", ".join(f"${each}" for each in test.thresholds)
    return f"{name}: {words} ({named})" if named else f"{name}: {words}"


def _what(name: str, questions: dict[str, Question]) -> str:
    if name in FACTS:
        unit = f" [{FACTS[name].unit}]" if FACTS[name].unit else ""
        return FACTS[name].doc + unit
    return f"The answer to: {questions[name].asks}" if name in questions else ""


def _thresholds(books: tuple[Book, ...], rules: dict[str, RulePage]) -> dict[str, ThresholdPage]:
    found: dict[str, ThresholdPage] = {}
    code = {name: inspect.getsource(fact.compute) for name, fact in FACTS.items()}
    for book in books:
        for name, item in book.thresholds.items():
            if name not in found:
                found[name] = ThresholdPage(
                    name=name,
                    value=item.value,
                    unit=item.unit,
                    why=item.why,
                    reason=item.reason,
                    book=book.name,
                    rules=tuple(id_ for id_, rule in rules.items() if name in rule.thresholds),
                    facts=tuple(fact for fact, text in code.items() if f'"{name}"' in text),
                    cite=sources(item.cite, (book,)),
                )
    return dict(sorted(found.items()))


def _decisions(joined: Joined, is_review: bool, rows: list[tuple[Joined, Row]]) -> dict[str, DecisionPage]:  # noqa: FBT001
    return {
        name: DecisionPage(
            name=name,
            of="review" if is_review else "plan",
            asks=item.asks,
            takes=FORMS[item.answers] if isinstance(item.answers, str) else ", ".join(item.answers),
            policy=POLICIES[item.policy],
            default=item.default,
            because=item.because,
            rules=tuple(row.rule.id for row in joined.table.rows[name]),
            read_by=tuple(
                row.rule.id
                for where, row in rows
                if where is joined and any(fact == name for cells in row.rows for fact, _ in cells)
            ),
            cite=sources(item.cite),
        )
        for name, item in joined.table.questions.items()
    }


def _facts(rules: dict[str, RulePage]) -> dict[str, FactPage]:
    return {
        name: FactPage(
            name=name,
            what=fact.doc,
            value=fact.kind,
            unit=fact.unit,
            words=fact.words,
            needs=fact.needs,
            rules=tuple(id_ for id_, rule in rules.items() if name in rule.reads or rule.answer == f"@{name}"),
            cite=sources(fact.cite),
        )
        for name, fact in sorted(FACTS.items())
    }


def value_of(page: ThresholdPage) -> str:
    """The threshold with its unit, as people read it: `1,000 rows`, `20%`."""
    return amount(page.value, page.unit)
