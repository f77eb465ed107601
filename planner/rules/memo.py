"""What earlier evaluations of a table found, by the values that it followed from: most of it stays the same.

A decision, and the trace of a rule, are functions of the facts in their columns; equal values give equal records.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

    from planner.documents import Decision, RuleTrace
    from planner.facts import Board
    from planner.rules.columns import Row
    from planner.rules.table import Table

T = TypeVar("T")
LIMIT = 64


class Store(Generic[T]):
    """Results by key, forgotten all at once when there are many."""

    def __init__(self) -> None:
        self._found: dict[Hashable, T] = {}

    def get(self, key: Hashable) -> T | None:
        """What was kept under a key."""
        return self._found.get(key)

    def keep(self, key: Hashable, value: T) -> None:
        """Keep a result."""
        if len(self._found) >= LIMIT:
            self._found.clear()
        self._found[key] = value


class RuleMemo:
    """Traces of one rule."""

    def __init__(self, row: Row) -> None:
        self.row = row
        self.columns = tuple(dict.fromkeys(name for cells in row.rows for name, _ in cells))
        self.traces: Store[RuleTrace] = Store()


class QuestionMemo:
    """Decisions on one question, each with the facts that gave its answers."""

    def __init__(self, table: Table, name: str) -> None:
        self.rules = tuple(RuleMemo(row) for row in table.rows[name])
        self.columns = tuple(dict.fromkeys(column for rule in self.rules for column in rule.columns))
        self.decisions: Store[tuple[dict[str, Any], Decision]] = Store()


def memo_of(table: Table, name: str) -> QuestionMemo:
    """The memo of a question, made when it is first asked."""
    found = table.memo.get(name)
    if found is None:
        found = table.memo[name] = QuestionMemo(table, name)
    return found


def key_of(columns: tuple[str, ...], board: Board, extra: Hashable = None) -> Hashable:
    """The values of some facts as a key; 1, 1.0 and true are told apart, for they are written differently."""
    values = [board.get(name) for name in columns]
    plain = [tuple(value) if type(value) is list else value for value in values]
    return (extra, *plain, *map(type, values))
