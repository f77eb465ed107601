"""Evaluation: a model, or a baseline without one, answers every case and is scored."""

from executors.evaluate.baselines import Baselines, BaselinesParams
from executors.evaluate.executor import Evaluate, EvaluateParams

__all__ = ["Baselines", "BaselinesParams", "Evaluate", "EvaluateParams"]
