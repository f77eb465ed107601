"""What changed between two plans, and because of which decision, pin or rule."""

from planner.difference.compare import difference
from planner.difference.document import (
    Answer,
    Cause,
    Change,
    DecisionChange,
    Difference,
    FactChange,
    PlanName,
    StepChange,
)

__all__ = [
    "Answer",
    "Cause",
    "Change",
    "DecisionChange",
    "Difference",
    "FactChange",
    "PlanName",
    "StepChange",
    "difference",
]
