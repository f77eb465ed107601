"""The two tables: what a plan decides, and what a review finds. A user's rule goes to the one that has its decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts import PLAN_INPUTS, REVIEW_INPUTS
from planner.rules.reading import core_book, review_book
from planner.rules.table import compile_books

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.rules.book import Book
    from planner.rules.table import Table


def plan_table(user_books: Iterable[Book] = ()) -> Table:
    """The rules that decide a plan.

    Raises:
        InputError: a rule, threshold or decision is wrong; with every problem at once.
    """
    return compile_books((*(of_plans(book) for book in user_books), core_book()), PLAN_INPUTS)


def review_table(user_books: Iterable[Book] = ()) -> Table:
    """The rules that judge configurations of other tools.

    The facts that they read live in `planner.review`, which registers them before it calls this.

    Raises:
        InputError: a rule or threshold is wrong; with every problem at once.
    """
    return compile_books((*(of_reviews(book) for book in user_books), review_book()), REVIEW_INPUTS)


def of_plans(book: Book) -> Book:
    """What a user's book says of plans; a rule of no decision stays, so that it is told."""
    ids = {rule.id for rule in review_book().rules}
    return book.model_copy(
        update={
            "rules": tuple(rule for rule in book.rules if rule.decides not in review_book().decisions),
            "disabled": tuple(item for item in book.disabled if item.id not in ids),
        }
    )


def of_reviews(book: Book) -> Book:
    """What a user's book says of configurations."""
    own = tuple(rule for rule in book.rules if rule.decides in review_book().decisions)
    ids = {rule.id for rule in (*review_book().rules, *own)}
    disabled = tuple(item for item in book.disabled if item.id in ids)
    return book.model_copy(update={"decisions": {}, "defaults": {}, "rules": own, "disabled": disabled})
