"""Everything that can be wrong with books of the user's own, beside the rules that ship."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from planner.catalog import reference_keys
from planner.documents import Finding, near
from planner.facts import FACTS, INPUTS, PLAN_INPUTS, REVIEW_INPUTS
from planner.rules.answers import allowed, is_answer
from planner.rules.book import shown
from planner.rules.examples import wrong_examples
from planner.rules.problems import of_book, of_rule
from planner.rules.reach import overlaps, repeated, unreachable
from planner.rules.reading import core_book, review_book
from planner.rules.table import join
from planner.rules.tables import of_plans, of_reviews

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.documents import JsonValue
    from planner.rules.book import Book, Question
    from planner.rules.table import Joined

MEASURES = frozenset({"times", "factor", "fraction", "passes", "ms", "s", "USD an example"})
"""Units of which there are parts; of all others a threshold counts, where the one that ships is whole."""
_NAME = re.compile(r"\$([a-z][a-z0-9_]*)")


def problems_of(books: tuple[Book, ...], broken: Iterable[str] = ()) -> list[Finding]:
    """What is wrong with the user's books, each alone and all together.

    Args:
        books: the user's books, without their broken parts.
        broken: names of thresholds and decisions that are broken: what builds on them is not judged.
    """
    learn_review_facts()
    lost = set(broken)
    problems: list[Finding] = []
    for book in books:
        problems += [*_ids(book), *_thresholds(book, lost), *_decisions(book), *_defaults(book, lost), *_sources(book)]
    books = tuple(_judged(book, lost) for book in books)
    own = {rule.id for book in books for rule in book.rules}
    for shipped, part, inputs in ((core_book(), of_plans, PLAN_INPUTS), (review_book(), of_reviews, REVIEW_INPUTS)):
        joined = join((*(part(book) for book in books), shipped), inputs)
        before = join((shipped,), inputs).problems
        problems += [_blamed(problem, own, books) for problem in joined.problems if problem not in before]
        problems += _rows(joined, own)
    return problems


def learn_review_facts() -> None:
    """Register the facts of reviews, which stand above the rules."""
    if review_book().rules:
        import planner.review.facts  # noqa: F401 - importing registers


def _judged(book: Book, lost: set[str]) -> Book:
    """A book without decisions whose names are taken, and with those rules only that build on nothing broken."""
    taken = {*core_book().decisions, *review_book().decisions}
    rules = tuple(
        rule
        for rule in book.rules
        if rule.decides not in lost
        and not any(name in lost for row in rule.rows for name in row)
        and not lost & set(_NAME.findall(json.dumps([rule.when, rule.answer], default=str)))
    )
    decisions = {name: item for name, item in book.decisions.items() if name not in taken | lost}
    defaults = {name: item for name, item in book.defaults.items() if name not in lost}
    return book.model_copy(update={"rules": rules, "decisions": decisions, "defaults": defaults})


def _blamed(problem: Finding, own: set[str], books: tuple[Book, ...]) -> Finding:
    """A fault of a rule that ships, which only what the books change can have caused."""
    parts = (problem.where.pointer or "").split("/")
    if parts[1:2] != ["rule"] or parts[2] in own:
        return problem
    where = problem.where.model_copy(update={"file": books[0].path})
    return problem.model_copy(update={"message": f"With what this book changes: {problem.message}", "where": where})


def _rows(joined: Joined, own: set[str]) -> list[Finding]:
    """What can be said of the user's rows once their cells are read."""
    faulty = {(problem.where.pointer or "//").split("/")[2] for problem in joined.problems}
    rows = {name: tuple(row for row in found if row.rule.id not in faulty) for name, found in joined.table.rows.items()}
    questions, names = joined.table.questions, joined.names
    problems = overlaps(questions, rows)
    # That a changed threshold leaves a rule that ships without work is the user's will.
    problems += [item for item in unreachable(questions, rows, names) if (item.where.pointer or "")[6:] in own]
    for row in (row for found in rows.values() for row in found if row.rule.id in own):
        problems += [*repeated(row, names), *wrong_examples(row)]
    return problems


def _ids(book: Book) -> list[Finding]:
    """Ids in a family of the rules that ship."""
    problems = []
    shipped = {rule.id for rule in (*core_book().rules, *review_book().rules)}
    families = {id_[:3] for id_ in shipped}
    for rule in book.rules:
        if rule.id[:3] in families and rule.id not in shipped:
            message = f"the family {rule.id[:3]} belongs to the rules that ship."
            fix = f"Take three letters of your own; taken: {', '.join(sorted(families))}."
            problems.append(of_rule(rule, message, fix, code="BOOK010"))
    return problems


def _thresholds(book: Book, lost: set[str]) -> list[Finding]:
    """Thresholds that are changed without a reason or into something else, and new ones that nothing uses."""
    shipped = {**review_book().thresholds, **core_book().thresholds}
    text = json.dumps(
        [[rule.when, rule.answer] for rule in book.rules]
        + [item.default for item in book.decisions.values()]
        + [item.value for item in book.defaults.values()],
        default=str,
    )
    used = set(_NAME.findall(text))
    problems = []
    for name, item in book.thresholds.items():
        told = []
        if name in shipped:
            core = shipped[name]
            if item.reason is None:
                told.append(("is changed without a reason.", 'Add `reason = "..."`.'))
            if item.unit != core.unit:
                told.append((f"has the unit `{item.unit}`, but the core's is `{core.unit}`.", "Give it in that unit."))
            if item.value <= 0 < core.value:
                fix = "To take it out of play, disable the rules that use it."
                told.append((f"is {shown(item.value)}; it must be above zero.", fix))
            if isinstance(core.value, int) and item.unit not in MEASURES and not isinstance(item.value, int):
                told.append((f"is {shown(item.value)}; it counts {item.unit}.", "Give a whole number."))
        else:
            if not item.cite:
                told.append(("names no source.", "Add `cite = [...]`, with a `[reference.key]` table of your own."))
            if name not in used and not lost:
                hint = near(name, shipped) or f"Write `${name}` in a cell or an answer, or take it out."
                told.append(("is used by no rule of the book.", hint))
        problems += [
            of_book("BOOK006", f"The threshold `{name}` {message}", fix, f"/threshold/{name}", book.path)
            for message, fix in told
        ]
    return problems


def _decisions(book: Book) -> list[Finding]:
    """New decisions whose name is taken, or whose default is no answer."""
    taken = {**review_book().decisions, **core_book().decisions}
    problems = []
    for name, question in book.decisions.items():
        told = []
        if name in taken:
            fix = (
                f"To change what it answers when no rule does, write `[default.{name}]` with value, because and reason."
            )
            told.append(("is there already.", fix))
        elif name in FACTS or name in INPUTS:
            told.append(("has the name of a fact.", "Give it a name of its own."))
        told += _not_an_answer(question, question.default, book) if question.default is not None else []
        problems += [
            of_book("BOOK012", f"The decision `{name}` {message}", fix, f"/decision/{name}", book.path)
            for message, fix in told
        ]
    return problems


def _defaults(book: Book, lost: set[str]) -> list[Finding]:
    """Changed defaults of decisions that are not there, or do not take the value."""
    problems = []
    questions = {**book.decisions, **core_book().decisions}
    for name, item in book.defaults.items():
        question = questions.get(name)
        if name in lost:
            continue
        if question is None:
            told = [("is of no decision.", near(name, questions) or "`adapt rules list` lists the decisions.")]
        else:
            told = _not_an_answer(question, item.value, book)
        problems += [
            of_book("BOOK012", f"The default of `{name}` {message}", fix, f"/default/{name}", book.path)
            for message, fix in told
        ]
    return problems


def _not_an_answer(question: Question, value: JsonValue, book: Book) -> list[tuple[str, str]]:
    """What is wrong with a default, as the end of a sentence, and what to do."""
    if isinstance(value, str) and value.startswith("$"):
        thresholds = {**core_book().thresholds, **book.thresholds}
        if value[1:] not in thresholds:
            return [(f"names the threshold `{value}`, which is not there.", near(value[1:], thresholds))]
        value = thresholds[value[1:]].value
    elif isinstance(value, str) and value.startswith("@"):
        return (
            [] if value[1:] in FACTS else [(f"names the fact `{value}`, which is not there.", near(value[1:], FACTS))]
        )
    words = value if question.policy == "collect" and isinstance(value, list) else [value]
    wrong = [word for word in words if not is_answer(question, word)]
    return [(f"answers `{shown(word)}`, which is no answer.", allowed(question)) for word in wrong]


def _sources(book: Book) -> list[Finding]:
    """Sources that are cited and not there, or there without an address."""
    known = {*reference_keys(), *book.references}
    problems = []
    for key, source in book.references.items():
        told = []
        if key in reference_keys():
            told.append(("is taken by a source that ships.", "Cite that one, or give yours another key."))
        if not (source.doi or source.arxiv or source.url):
            told.append(("has no address.", "Add `url`, `doi` or `arxiv`."))
        problems += [
            of_book("BOOK011", f"The reference `{key}` {message}", fix, f"/reference/{key}", book.path)
            for message, fix in told
        ]
    cited = [(f"/rule/{rule.id}/cite", f"Rule {rule.id}", rule.cite) for rule in book.rules]
    for kind, items in (("threshold", book.thresholds), ("decision", book.decisions), ("default", book.defaults)):
        cited += [(f"/{kind}/{name}/cite", f"The {kind} `{name}`", item.cite) for name, item in items.items()]
    for pointer, what, keys in cited:
        for key in keys:
            if key not in known:
                hint = near(key, known) or f"Add `[reference.{key}]` with a title and an address."
                problems.append(
                    of_book("BOOK011", f"{what} cites `{key}`, which is no source.", hint, pointer, book.path)
                )
    return problems
