"""What earlier evaluations of a table found, by the values that it followed from: most of it stays the same.

A decision, and the trace of a rule, are functions of the facts in their columns; equal values give equal records.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    from planner.documents import Decision, RuleTrace
    from planner.facts import Board
    from planner.rules.columns import Row
    from planner.rules.table import Table

T = TypeVar("T")
LIMIT = 64


class Store(Generic[T]):
    """Results by key, forgotten all at once when there are many."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._found: dict[Hashable, T] = {}
        self._limit = limit

    def get(self, key: Hashable) -> T | None:
        """What was kept under a key."""
        return self._found.get(key)

    def keep(self, key: Hashable, value: T) -> None:
        """Keep a result."""
        if len(self._found) >= self._limit:
            self._found.clear()
        self._found[key] = value


class RuleMemo:
    """Traces of one rule."""

    def __init__(self, row: Row, columns: tuple[str, ...]) -> None:
        """Remember which of the question's columns the rule looks at."""
        self.row = row
        places = [columns.index(name) for name in _columns(row)]
        self.pick: Callable[[tuple[Hashable, ...]], Hashable] = itemgetter(*places) if places else _nothing
        self.traces: Store[RuleTrace] = Store()


class QuestionMemo:
    """Decisions on one question, each with the facts that gave its answers."""

    def __init__(self, table: Table, name: str) -> None:
        """Collect the columns of all rules."""
        self.columns = tuple(dict.fromkeys(column for row in table.rows[name] for column in _columns(row)))
        self.rules = tuple(RuleMemo(row, self.columns) for row in table.rows[name])
        self.decisions: Store[tuple[dict[str, Any], Decision]] = Store()


def memo_of(table: Table, name: str) -> QuestionMemo:
    """The memo of a question, made when it is first asked."""
    found = table.memo.get(name)
    if found is None:
        found = table.memo[name] = QuestionMemo(table, name)
    return found


def signs_of(columns: tuple[str, ...], board: Board) -> tuple[Hashable, ...]:
    """The values of some facts as keys; 1, 1.0 and true are told apart, for they are written differently."""
    return tuple([sign_of(board.get(name)) for name in columns])


def sign_of(value: Any) -> Hashable:
    """A value as a key."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    return (kind, tuple(value) if kind is list else value)


def _columns(row: Row) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for cells in row.rows for name, _ in cells))


def _nothing(signs: tuple[Hashable, ...]) -> Hashable:  # noqa: ARG001 - a rule that always holds looks at nothing
    return None
