"""Why, why not, and what would change it: queries on the record of a plan."""

from planner.explanation.documents import Explanation, Flips, WhyNot
from planner.explanation.explain import explain
from planner.explanation.flips import flips
from planner.explanation.why_not import why_not

__all__ = ["Explanation", "Flips", "WhyNot", "explain", "flips", "why_not"]
