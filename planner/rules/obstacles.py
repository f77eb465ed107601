"""What no rung can get around: rules of the decision `obstacles` make a plan that cannot be applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Status

if TYPE_CHECKING:
    from planner.documents import Decision
    from planner.rules.table import Table


def obstacle_status(table: Table, decisions: tuple[Decision, ...]) -> Status | None:
    """The status that the obstacles in the way call for; None when nothing is in the way."""
    rules = {row.rule.id: row.rule for row in table.rows.get("obstacles", ())}
    held = [
        rules[trace.rule]
        for decision in decisions
        if decision.question == "obstacles" and isinstance(decision.answer, list)
        for trace in decision.trace
        if trace.verdict == "holds" and trace.answer in decision.answer
    ]
    if not held:
        return None
    needs = tuple(rule.fix for rule in held if rule.fix)
    return Status(applyable=False, because="; ".join(rule.name for rule in held), needs=needs)
