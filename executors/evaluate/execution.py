"""Execution accuracy: a predicted SQL query is right when it returns what the expected one returns."""

from __future__ import annotations

import math
from collections import Counter
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from executors.evaluate.database import Result, run_query
from executors.evaluate.validity import fenced

if TYPE_CHECKING:
    from pathlib import Path

    from executors.evaluate.case import Case
    from executors.evaluate.database import Cell, Rows

# The expected query is trusted to be useful, and a prediction may take ten times as long.
EXPECTED_S, LEAST_S, SLOWER = 30.0, 2.0, 10.0
TOLERANCE = 1e-6
# Results of more rows are paired in sorted order only.
MAX_MATCHED = 500


class Verdict(NamedTuple):
    """How a prediction's result compares with the expected one."""

    right: bool
    reason: str
    """Why it is wrong; empty when it is right."""


def execution_accuracy(case: Case, *, strict: bool) -> bool:
    """The query returns the same rows as an accepted one; lenient: the one that stands in its code fence does."""
    return verdict(case, strict=strict).right


def verdict(case: Case, *, strict: bool) -> Verdict:
    """Whether a prediction returns the expected rows, and if not, why."""
    if case.database is None:
        return Verdict(right=False, reason="no database")
    said = case.prediction.strip() if strict else fenced(case.prediction)
    found = Verdict(right=False, reason="")
    for query in case.accepted:
        found = _compared(case.database, said, query.strip())
        if found.right:
            break
    return found


@lru_cache(maxsize=4096)
def _compared(database: Path, said: str, expected: str) -> Verdict:
    wanted = _expected(database, expected)
    if wanted.problem:
        return Verdict(right=False, reason=f"the expected query fails: {wanted.problem}")
    found = run_query(database, said, min(EXPECTED_S, max(LEAST_S, SLOWER * wanted.seconds)))
    if found.problem:
        return Verdict(right=False, reason=found.problem)
    if same_rows(found.rows, wanted.rows, ordered=ordered(expected)):
        return Verdict(right=True, reason="")
    return Verdict(right=False, reason=f"other rows: {len(found.rows)} returned, {len(wanted.rows)} expected")


@lru_cache(maxsize=512)
def _expected(database: Path, query: str) -> Result:
    return run_query(database, query, EXPECTED_S)


def ordered(query: str) -> bool:
    """Whether a query orders its result; what stands in a subquery orders nothing."""
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        return sqlglot.parse_one(query, read="sqlite").args.get("order") is not None
    except (SqlglotError, RecursionError):
        return "order by" in query.casefold()


def same_rows(found: Rows, wanted: Rows, *, ordered: bool) -> bool:
    """Whether two results are the same multiset of rows, or the same list; numbers within a relative 1e-6."""
    if len(found) != len(wanted):
        return False
    if ordered:
        return all(map(_same, found, wanted))
    if Counter(found) == Counter(wanted):
        return True
    left, right = sorted(found, key=_order), sorted(wanted, key=_order)
    if all(map(_same, left, right)):
        return True
    return len(found) <= MAX_MATCHED and _matched(left, list(right))


def _matched(left: list[tuple[Cell, ...]], right: list[tuple[Cell, ...]]) -> bool:
    """Each row finds a partner of its own; numbers that differ in the last digits may sort in another order."""
    for row in left:
        partner = next((at for at, other in enumerate(right) if _same(row, other)), None)
        if partner is None:
            return False
        del right[partner]
    return True


def _same(one: tuple[Cell, ...], other: tuple[Cell, ...]) -> bool:
    return len(one) == len(other) and all(map(_equal, one, other))


def _equal(one: Cell, other: Cell) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=1e-9)
    return type(one) is type(other) and one == other


def _order(row: tuple[Cell, ...]) -> tuple[tuple[tuple[str, str], ...], tuple[float, ...]]:
    """Texts first: numbers that are nearly the same must not decide where a row stands."""
    texts = tuple((type(cell).__name__, str(cell)) for cell in row if not isinstance(cell, int | float))
    return texts, tuple(float(cell) for cell in row if isinstance(cell, int | float))
