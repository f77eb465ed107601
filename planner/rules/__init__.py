"""Rule books and their evaluation: what is decided and why."""

from planner.rules.book import Book, core_book, user_book
from planner.rules.engine import evaluate, needs, warnings
from planner.rules.table import Table, compile_books

__all__ = ["Book", "Table", "compile_books", "core_book", "evaluate", "needs", "user_book", "warnings"]
