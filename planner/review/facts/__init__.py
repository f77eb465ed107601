"""Facts of a review: computed from one configuration and what is known beside it; their names start with `config_`."""

from planner.review.facts import data, hyperparameters, memory, merging, method, model, ours, settings, usual
from planner.review.facts.usual import chosen_decision

__all__ = [
    "chosen_decision",
    "data",
    "hyperparameters",
    "memory",
    "merging",
    "method",
    "model",
    "ours",
    "settings",
    "usual",
]
