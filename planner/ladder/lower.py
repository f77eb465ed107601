"""Lowers the decisions into steps: rung after rung, each behind its gates, in one stable order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.ladder.other import merging, quantizing, retrieving
from planner.ladder.prompting import baselines, prompting
from planner.ladder.training import diagnose, training

if TYPE_CHECKING:
    from planner.documents import Step
    from planner.ladder.draft import Draft


def lower(draft: Draft) -> tuple[Step, ...]:
    """Draw every rung that the decisions call for, and return the steps in the order of the run.

    The steps form a directed graph along their needs; the order is topological, with ties in the order of drawing.
    """
    rungs = draft.answer("rungs")
    if "baselines" in rungs:
        baselines(draft)
    if "prompt" in rungs:
        prompting(draft, "zero-shot")
    if "few-shot" in rungs:
        prompting(draft, "few-shot")
    if "rag" in rungs:
        retrieving(draft)
    if "finetune" in rungs:
        # When the failures are not known yet, the run finds out before it trains.
        if draft.measured and draft.fact("behaviour_share") is None:
            diagnose(draft)
        training(draft)
    if draft.answer("approach") == "merge":
        merging(draft)
    quantizing(draft)
    return _ordered(draft)


def _ordered(draft: Draft) -> tuple[Step, ...]:
    import networkx  # 0.15 s: only a plan that is drawn up pays for it

    graph: networkx.DiGraph[str] = networkx.DiGraph()
    drawn = {address: number for number, address in enumerate(draft.steps)}
    graph.add_nodes_from(drawn)
    graph.add_edges_from((need, step.address) for step in draft.steps.values() for need in step.needs)
    order = networkx.lexicographical_topological_sort(graph, key=drawn.__getitem__)
    return tuple(draft.steps[address] for address in order)
