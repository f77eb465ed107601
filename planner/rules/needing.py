"""What a rule lacks in order to hold, and what would make one that holds fail: read from its trace."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from planner.rules.cells import CellError, Test, parse_cell

if TYPE_CHECKING:
    from planner.documents import Cell, JsonValue, RuleTrace
    from planner.documents.decision import Verdict

Cells = tuple["Cell", ...]


@lru_cache(maxsize=4096)
def comparison(text: str) -> Test | None:
    """The comparison that a record's text says; None when it is of a form that this version does not know."""
    try:
        return parse_cell(text, {})
    except CellError:
        return None


def verdict_of(cells: Cells) -> Verdict:
    """The verdict of a row: one cell that fails is enough to fail it."""
    verdict: Verdict = "holds"
    for cell in cells:
        if cell.verdict == "fails":
            return "fails"
        if cell.verdict == "unknown":
            verdict = "unknown"
    return verdict


def nearest(trace: RuleTrace) -> Cells:
    """The row with the fewest conditions that do not hold."""
    if len(trace.rows) == 1:
        return trace.rows[0]
    return min(trace.rows, key=lambda cells: len([cell for cell in cells if cell.verdict != "holds"]), default=())


def unmet(trace: RuleTrace) -> Cells:
    """The conditions of the nearest row that do not hold."""
    return tuple(cell for cell in nearest(trace) if cell.verdict != "holds")


def needs(trace: RuleTrace) -> tuple[str, ...]:
    """What a rule lacks in order to hold, or for a veto that holds, what would lift it."""
    if trace.tier == "veto":
        return lifts(trace)
    return tuple(f"{cell.fact} {cell.test} (it is {_found(cell)})" for cell in unmet(trace))


def lifts(trace: RuleTrace, keep: Cells = ()) -> tuple[str, ...]:
    """What would make a rule that holds fail, in words: one sentence for each row that holds."""
    return tuple(
        " or ".join(f"{cell.fact} {opposite(cell)} (it is {_found(cell)})" for cell in ways)
        or f"rule {trace.rule} disabled"
        for ways in ways_out(trace, keep)
    )


def ways_out(trace: RuleTrace, keep: Cells = ()) -> tuple[Cells, ...]:
    """For each row that holds, the conditions of which one must change to make the rule fail.

    Args:
        trace: a rule that holds.
        keep: conditions that must go on holding; a change that breaks one of them is no way.
    """
    return tuple(
        tuple(cell for cell in cells if not any(_breaks(cell, kept) for kept in keep))
        for cells in trace.rows
        if verdict_of(cells) == "holds"
    )


def _breaks(cell: Cell, kept: Cell) -> bool:
    """Whether no value fails a cell and still passes another one on the same fact."""
    if cell.fact != kept.fact:
        return False
    failing, passing = comparison(opposite(cell)), comparison(kept.test)
    return cell.test == kept.test if failing is None or passing is None else failing.disjoint(passing)


def opposite(cell: Cell) -> str:
    """The condition under which a cell fails."""
    test = comparison(cell.test)
    return test.opposite() if test else f"other than {cell.test}"


def shown(value: JsonValue) -> str:
    """A value as the record's sentences write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(shown(item) for item in value) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _found(cell: Cell) -> str:
    return "unknown" if cell.verdict == "unknown" else shown(cell.value)
