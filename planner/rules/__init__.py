"""Rule books and their evaluation: what is decided and why."""

from planner.rules.book import Book
from planner.rules.engine import evaluate, needs, warnings
from planner.rules.reading import core_book, review_book, user_book, user_books
from planner.rules.table import Table, compile_books
from planner.rules.tables import plan_table, review_table

__all__ = [
    "Book",
    "Table",
    "compile_books",
    "core_book",
    "evaluate",
    "needs",
    "plan_table",
    "review_book",
    "review_table",
    "user_book",
    "user_books",
    "warnings",
]
