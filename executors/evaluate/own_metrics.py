"""Metrics of the user's own: functions from a case to 0..1, found by entry points `adapt.metrics`."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING, Any

from executors.intervals import mean
from executors.registry import metric_registry
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.evaluate.case import Case
    from planner.documents import JsonValue, Measurement


class OwnMetrics:
    """Those of the asked metrics that a package provides; a case on which one fails scores 0 and is counted."""

    def __init__(self, asked: Sequence[str]) -> None:
        """Load them.

        Raises:
            InputError: one does not load.
        """
        registry = metric_registry()
        self._functions = {name: registry.load(name) for name in asked if name in registry.targets}
        self._scores: dict[str, list[float]] = {name: [] for name in self._functions}
        self._failed: dict[str, Counter[str]] = {name: Counter() for name in self._functions}

    def score(self, case: Case) -> dict[str, JsonValue]:
        """The scores of the next case, by name."""
        for name, function in self._functions.items():
            self._scores[name].append(self._call(name, function, case))
        return {name: scores[-1] for name, scores in self._scores.items()}

    def _call(self, name: str, function: Any, case: Case) -> float:
        try:
            value = float(function(case))
        except Exception as error:  # noqa: BLE001 - a third party's code may fail in any way, and no case stops a run
            self._failed[name][f"{type(error).__name__}: {error}"[:200]] += 1
            return 0.0
        if not (math.isfinite(value) and 0 <= value <= 1):
            self._failed[name][f"{value:g} is not between 0 and 1"] += 1
            return 0.0
        return round(value, 6)

    def measured(self, seed: int) -> dict[str, Measurement]:
        """Every metric over all cases.

        Raises:
            InputError: one failed on every case: then it is the metric that is wrong, and not the answers.
        """
        for name, failed in self._failed.items():
            if failed and failed.total() == len(self._scores[name]):
                message = f"The metric `{name}` failed on every case: {failed.most_common(1)[0][0]}."
                raise InputError.one("EVAL020", message, "Correct it, or leave it out.", pointer="/params/metrics")
        return {name: mean(scores, seed) for name, scores in self._scores.items()}

    @property
    def notes(self) -> dict[str, JsonValue]:
        """On how many cases a metric failed, and the most frequent reason."""
        failed = {
            name: f"{counts.total()} cases, such as {counts.most_common(1)[0][0]}"
            for name, counts in self._failed.items()
            if counts
        }
        return {"failed_metrics": dict(failed)} if failed else {}
