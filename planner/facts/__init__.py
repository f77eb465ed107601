"""Facts: what rules may look at. Each is a small typed function of the spec, the survey, other facts or answers."""

from planner.facts import attempts, data, failures, hardware, memory, merging, model, task, training  # noqa: F401
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
