"""What may go otherwise than planned, what then happens, and what more data would cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.ladder.draft import Draft


def risks(draft: Draft) -> tuple[str, ...]:
    """The risks of a plan whose steps are drawn, each in a sentence that stands alone."""
    found = [*_of_training(draft), *_of_measuring(draft), *_of_data(draft)]
    return tuple(found)


def _of_training(draft: Draft) -> list[str]:
    if not any(step.executor == "train" for step in draft.steps.values()):
        return []
    return ["Training may run out of memory: the step's retry ladder keeps the effective batch."]


def _of_measuring(draft: Draft) -> list[str]:
    rows = draft.fact("evaluation_rows")
    if not rows or not draft.measured:
        return []
    points = 100 * draft.fact("score_noise")
    noise = f"a difference under {points:.0f} points is within chance (95% interval)"
    return [f"With {rows:,} rows to measure on, a rung near the target may pass or miss it by chance: {noise}."]


def _of_data(draft: Draft) -> list[str]:
    """The sum that the missing examples cost, when the plan would gain from them."""
    missing = draft.fact("rows_missing")
    wants = draft.answer("data_need") in ("few-rows", "more-rows", "collect")
    of_use = "finetune" in draft.answer("rungs") or (
        draft.answer("approach") in ("prompt", "few-shot")
        and (draft.fact("behaviour_share") or 0) >= draft.thresholds["behaviour_share"]
    )
    if not missing or not wants or not of_use:
        return []
    low, high = draft.fact("annotation_cost_low_usd"), draft.fact("annotation_cost_high_usd")
    expert_low, expert_high = draft.fact("expert_cost_low_usd"), draft.fact("expert_cost_high_usd")
    wanted = f"{missing:,} more examples would make {int(draft.answer('rows_wanted')):,}"
    cost = f"${low:,.0f} to ${high:,.0f} by annotators, or ${expert_low:,.0f} to ${expert_high:,.0f} by experts"
    return [f"The data may be too few: {wanted}, for {cost}."]
