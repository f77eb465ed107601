"""What a plan's variants take to store, in a sentence: a merged model each, or one base with adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapt.render.units import size

if TYPE_CHECKING:
    from planner.documents import Plan


def storage(plan: Plan) -> str:
    """The sentence, by the plan's own facts; empty where nothing is trained beside a base, or a size is not known."""
    facts = {fact.name: fact.value for fact in plan.facts}
    merged, shared, tenants = (facts.get(name) for name in ("merged_copies_bytes", "shared_base_bytes", "tenants"))
    adapters = any("adapter" in step.outputs for step in plan.steps)
    if not adapters or not all(isinstance(value, int) and value for value in (merged, shared, tenants)):
        return ""
    copies, together = float(str(merged)), float(str(shared))
    many = f"{tenants} variants" if tenants != 1 else "one variant"
    saved = f", {copies / together:.1f} times less" if copies > together else ""
    return f"Storage for {many}: {size(copies)} merged, {size(together)} as one base with adapters{saved}"
