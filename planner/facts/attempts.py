"""Facts about what was tried before, and what it scored against the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from planner.documents import Spec

LADDER = ("book:finetuning-and-rag",)


@fact(cite=LADDER)
def has_target(spec: Spec) -> bool:
    """Whether the spec says what score is good enough."""
    return bool(spec.evaluation.target)


@fact(cite=LADDER)
def has_evaluation_data(spec: Spec) -> bool:
    """Whether there is something to measure on."""
    return spec.evaluation.data is not None or spec.data.test is not None or spec.data.validation is not None


@fact(unit="fraction", cite=LADDER)
def target_gap(spec: Spec) -> float | Unknown:
    """How far the best attempt stays below the target in its worst metric; zero or less when the target is met."""
    target = spec.evaluation.target
    if not target:
        return Unknown("the spec names no target")
    gaps = [
        max(goal - attempt.metrics[metric] for metric, goal in target.items())
        for attempt in spec.attempts
        if target.keys() <= attempt.metrics.keys()
    ]
    return min(gaps) if gaps else Unknown("no attempt measured every metric of the target")


@fact(unit="prompts", cite=LADDER)
def prompts_tried(spec: Spec) -> int | Unknown:
    """Prompts tried by all attempts together."""
    prompting = [attempt for attempt in spec.attempts if attempt.approach in ("prompt", "few-shot")]
    if not prompting:
        return 0
    counts = [attempt.prompts_tried for attempt in prompting if attempt.prompts_tried is not None]
    return sum(counts) if counts else Unknown("the attempts do not say how many prompts were tried")


@fact(cite=LADDER)
def prompting_measured(spec: Spec) -> bool:
    """Whether an attempt at prompting was scored."""
    return any(attempt.metrics for attempt in spec.attempts if attempt.approach in ("prompt", "few-shot"))


@fact(cite=LADDER)
def prompt_tried(spec: Spec) -> bool:
    """Whether prompting without examples was tried."""
    return any(attempt.approach == "prompt" for attempt in spec.attempts)


@fact(cite=LADDER)
def few_shot_tried(spec: Spec) -> bool:
    """Whether examples in the prompt were tried."""
    return any(attempt.approach == "few-shot" for attempt in spec.attempts)


@fact(cite=LADDER)
def rag_tried(spec: Spec) -> bool:
    """Whether retrieval was tried."""
    return any(attempt.approach == "rag" for attempt in spec.attempts)


@fact(cite=LADDER)
def advanced_retrieval_tried(spec: Spec) -> bool:
    """Whether retrieval beyond term search was tried."""
    return any(attempt.approach == "rag" and attempt.retrieval in ("embedding", "hybrid") for attempt in spec.attempts)


@fact(cite=LADDER)
def finetune_tried(spec: Spec) -> bool:
    """Whether finetuning was tried."""
    return any(attempt.approach == "finetune" for attempt in spec.attempts)


@fact(unit="fraction", cite=LADDER)
def rag_gain(spec: Spec) -> float | Unknown:
    """Best score with retrieval minus best score without it, in the first metric of the target that both measured."""
    for metric in spec.evaluation.target:
        scored = [attempt for attempt in spec.attempts if metric in attempt.metrics]
        rag = [attempt.metrics[metric] for attempt in scored if attempt.approach == "rag"]
        without = [attempt.metrics[metric] for attempt in scored if attempt.approach in ("prompt", "few-shot")]
        if rag and without:
            return max(rag) - max(without)
    return Unknown("no metric was measured both with and without retrieval")
