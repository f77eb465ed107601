"""Evaluation: a model, or a baseline without one, answers every case and is scored."""

from executors.evaluate.baselines import Baselines, BaselinesParams
from executors.evaluate.ensemble import Ensemble, EnsembleParams
from executors.evaluate.executor import Evaluate, EvaluateParams
from executors.evaluate.probes_executor import Probes, ProbesParams
from executors.evaluate.rewriting import Rewrite, RewriteParams

__all__ = [
    "Baselines",
    "BaselinesParams",
    "Ensemble",
    "EnsembleParams",
    "Evaluate",
    "EvaluateParams",
    "Probes",
    "ProbesParams",
    "Rewrite",
    "RewriteParams",
]
