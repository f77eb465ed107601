"""Facts: what rules may look at. Each is a small typed function of the spec, the survey, other facts or answers."""

from planner.facts import (  # noqa: F401
    attempts,
    candidates,
    capacity,
    data,
    effort,
    escalating,
    failures,
    hardware,
    licences,
    memory,
    merge_shapes,
    merging,
    model,
    prompting,
    retrieving,
    serving,
    serving_memory,
    spreading,
    steering,
    task,
    training,
    transforming,
)
from planner.facts.registry import FACTS, INPUTS, PLAN_INPUTS, REVIEW_INPUTS, Board, Fact, Unknown, dependencies, fact

__all__ = [
    "FACTS",
    "INPUTS",
    "PLAN_INPUTS",
    "REVIEW_INPUTS",
    "Board",
    "Fact",
    "Unknown",
    "dependencies",
    "fact",
]
