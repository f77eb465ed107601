"""Lowers the decisions into steps: rung after rung, each behind its gates, in one stable order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.ladder import heads
from planner.ladder.asking import prompting
from planner.ladder.baselines import baselines
from planner.ladder.caching import caching
from planner.ladder.data_need import data_need
from planner.ladder.diagnosing import diagnose
from planner.ladder.merging import merging
from planner.ladder.probing import probing
from planner.ladder.quantizing import quantizing
from planner.ladder.regressions import regressions, short_inputs
from planner.ladder.retrieving import HYBRID, retrieving
from planner.ladder.training import training

if TYPE_CHECKING:
    from collections.abc import Collection

    from planner.documents import Step
    from planner.ladder.draft import Draft


def lower(draft: Draft) -> tuple[Step, ...]:
    """Draw every rung that the decisions call for, and return the steps in the order of the run.

    The steps form a directed graph along their needs. A step can only be drawn on what was drawn before it, so the
    order of drawing is topological.
    """
    rungs = draft.answer("rungs")
    if "baselines" in rungs:
        baselines(draft)
    _asked(draft, rungs)
    if "finetune" in rungs:
        if _undiagnosed(draft):
            diagnose(draft)
        training(draft)
        data_need(draft)
        _measured_rest(draft)
        if draft.answer("objective") != heads.OBJECTIVE:
            # What only gives scores to labels neither refuses nor speaks, and has no other skill.
            regressions(draft)
            short_inputs(draft)
            probing(draft)
    if draft.answer("approach") == "merge":
        merging(draft)
    quantizing(draft)
    caching(draft)
    return tuple(draft.steps.values())


def _asked(draft: Draft, rungs: Collection[str]) -> None:
    """The rungs that ask the base; where a diagnosis follows, at least one that leaves answers to read."""
    if "prompt" in rungs:
        prompting(draft, "zero-shot")
    if "few-shot" in rungs:
        prompting(draft, "few-shot")
    if "rag" in rungs:
        retrieving(draft)
    if "hybrid" in rungs:
        retrieving(draft, HYBRID)
    answered = any(step.executor == "evaluate" for step in draft.steps.values())
    if "finetune" in rungs and _undiagnosed(draft) and not answered:
        prompting(draft, "zero-shot")
    if not draft.answer("rest_after_training"):
        _measured_rest(draft)


def _measured_rest(draft: Draft) -> None:
    """What was put off until every rung was screened."""
    for rest in draft.later:
        rest()
    draft.later.clear()


def _undiagnosed(draft: Draft) -> bool:
    """Whether the run must find out before it trains: what fails is not known, or cheaper rungs will change it."""
    if draft.fact("model_generates") is False or draft.answer("objective") == "preference":
        # Comparisons are about behaviour, and know no right answer that a wrong one could be held against.
        return False
    if draft.answer("objective") == "long-context" and (draft.fact("longest_over_context") or 0) > 1:
        # The base cannot read what it is to be asked.
        return False
    approach = draft.answer("approach")
    if approach == "rag+finetune" and draft.fact("search_suffices"):
        # The passage was in nearly every prompt: what still fails is how it is read.
        return False
    failures = draft.survey.failures
    if approach in ("finetune", "rag+finetune") and failures is not None and failures.source == "report":
        # What a diagnosis could not explain, another one would not.
        return False
    return draft.fact("behaviour_share") is None or approach in ("prompt", "few-shot", "rag")
