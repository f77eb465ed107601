"""Pins of settings that no training of the plan has, and so change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Finding, Where
from planner.ladder.launching import BY_METHOD, BY_OBJECTIVE

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

# Serving reads longer inputs by it too.
ELSEWHERE = frozenset({"scaling"})


def idle_pins(draft: Draft) -> tuple[Finding, ...]:
    """A warning for each pin that belongs to other methods or objectives than those that are trained."""
    trained = [step.params for step in draft.steps.values() if step.executor == "train"]
    found = []
    for name in draft.spec.overrides:
        owners = [owner for table in (BY_METHOD, BY_OBJECTIVE) for owner, own in table.items() if name in own]
        if not trained or not owners or name in ELSEWHERE or any(name in params for params in trained):
            continue
        message = f"No training of the plan has a {name}, so that its pin changes nothing."
        fix = f"Take it out; it belongs to {', '.join(owners)}."
        where = Where(pointer=f"/overrides/{name}")
        found.append(Finding(code="PIN012", severity="warning", message=message, fix=fix, where=where))
    return tuple(found)
