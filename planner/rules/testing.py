"""Runs the examples of rules, which are their tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Finding, InputError, ReadAhead
from planner.facts import PLAN_INPUTS, REVIEW_INPUTS
from planner.rules.checks import learn_review_facts, problems_of
from planner.rules.examples import comes_out, wrong_examples
from planner.rules.problems import placed
from planner.rules.reading import core_book, read_user_book, review_book
from planner.rules.table import join, rule_files
from planner.rules.tables import of_plans, of_reviews

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

EXAMPLE = "BOOK014"


class TestResult(ReadAhead):
    """How many examples came out as they say."""

    __test__ = False

    rules: int
    examples: int
    failed: tuple[Finding, ...] = ()


def run_examples(files: Sequence[Path] = ()) -> TestResult:
    """Run every example of the user's books; of the books that ship when there are none.

    Raises:
        InputError: a book has mistakes beside examples that do not come out.
    """
    learn_review_facts()
    own = []
    for path in files:
        book, found, lost = read_user_book(path)
        own.append(book)
        wrong = [*found, *(item for item in problems_of((book,), lost) if item.code != EXAMPLE)]
        if wrong:
            raise InputError(placed(wrong, rule_files((book,))))
    plan = join((*(of_plans(book) for book in own), core_book()), PLAN_INPUTS)
    review = join((*(of_reviews(book) for book in own), review_book()), REVIEW_INPUTS)
    ids = {rule.id for book in own or (core_book(), review_book()) for rule in book.rules}
    rows = [
        row for joined in (plan, review) for found in joined.table.rows.values() for row in found if row.rule.id in ids
    ]
    failed = [
        problem
        for row in rows
        if not all(comes_out(row, example) for example in row.rule.examples)
        for problem in wrong_examples(row)
    ]
    count = sum(len(row.rule.examples) for row in rows)
    return TestResult(rules=len(rows), examples=count, failed=placed(failed, rule_files(tuple(own))))
