"""What a run's report says of differences: each rung against the best before it, other skills before and after."""

from __future__ import annotations

import json
from functools import partial
from typing import TYPE_CHECKING, Any

from executors.comparison import Comparison, best, compare
from executors.regret import regret
from executors.store import Store
from planner.documents import SCREEN

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.report import RungReport, RunReport, StepReport
    from executors.state import State
    from planner.documents import Plan

_PREDICTIONS = "predictions"


def with_comparisons(report: RunReport, plan: Plan, state: State) -> RunReport:
    """The report with every difference that the answers in the store can show; see `executors.comparison`."""
    records = _Records(report.steps, Store(state.store))
    rungs: list[RungReport] = []
    for rung in report.rungs:
        rungs.append(rung.model_copy(update={"gain": _gain(rung, rungs, plan, records)}))
    return report.model_copy(update={"rungs": tuple(rungs), "regressions": tuple(_regressions(plan, records))})


def with_regret(report: RunReport, plan: Plan, state: State) -> RunReport:
    """The report of a run that measured every rung, with what its gates would have picked."""
    records = _Records(report.steps, Store(state.store))
    found = regret(plan, report.steps, report.rungs, partial(_is_falling, plan), records.compare)
    return report.model_copy(update={"regret": found})


class _Records:
    """Predictions of finished steps, read when they are first compared."""

    def __init__(self, steps: Sequence[StepReport], store: Store) -> None:
        self.steps = {step.address: step for step in steps if step.finished}
        self._store = store
        self._read: dict[str, list[dict[str, Any]]] = {}

    def of(self, address: str) -> list[dict[str, Any]]:
        """The records of a step; none when it left no predictions, or they cannot be read any more."""
        if address not in self._read:
            artifact = self.steps[address].artifacts.get(_PREDICTIONS) if address in self.steps else None
            self._read[address] = _records(self._store, artifact.digest) if artifact is not None else []
        return self._read[address]

    def compare(self, step: str, against: str, metric: str, rung: str | None = None) -> Comparison | None:
        """The difference of a metric between two steps."""
        found = compare(metric, self.of(step), self.of(against))
        if found is None:
            return None
        (value, low, high), n, p_value = found
        figures = {"value": round(value, 6), "low": round(low, 6), "high": round(high, 6), "n": n, "p_value": p_value}
        return Comparison.model_validate({"step": step, "against": against, "rung": rung, "metric": metric, **figures})


def _records(store: Store, content: str) -> list[dict[str, Any]]:
    try:
        lines = store.path(content).read_text(encoding="utf-8").split("\n")
        found = [json.loads(line) for line in lines if line]
    except (OSError, ValueError):
        return []
    return [record for record in found if isinstance(record, dict) and "id" in record]


def _gain(rung: RungReport, earlier: Sequence[RungReport], plan: Plan, records: _Records) -> Comparison | None:
    measured: Mapping[str, RungReport] = {
        each.step: each for each in earlier if each.step in records.steps and each.step != rung.step + SCREEN
    }
    if rung.step not in records.steps or not measured:
        return None
    evaluation = plan.spec.evaluation
    for metric in dict.fromkeys([*sorted(evaluation.target), *evaluation.metrics]):
        metrics = {address: records.steps[address].metrics for address in measured}
        other = best(metric, metrics, falling=_is_falling(plan, metric))
        found = other and records.compare(rung.step, other, metric, measured[other].rung)
        if found:
            return found
    return None


def _is_falling(plan: Plan, metric: str) -> bool:
    """Whether less is better: the plan goes on while the metric is above its target."""
    return any(
        gate.metric == metric and gate.otherwise == "skip" and gate.test.strip().startswith(">")
        for step in plan.steps
        for gate in step.gates
        if gate.when == "before" and gate.name.startswith("target")
    )


def _regressions(plan: Plan, records: _Records) -> list[Comparison]:
    gates = [gate for step in plan.steps for gate in step.gates if gate.when == "after" and gate.against]
    asked = [(address, str(gate.against), gate.metric) for gate in gates for address in gate.steps]
    probed = [step.address for step in plan.steps if step.executor == "probes" and step.address in records.steps]
    for address in probed:
        before = f"{address}-before"
        asked += [(address, before, metric) for metric in records.steps[address].metrics if before in probed]
    found = [records.compare(*each) for each in dict.fromkeys(asked)]
    return [each for each in found if each is not None]
