"""Gates: comparisons of measured metrics with a number, that skip a step or stop the run."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executors.intervals import difference
from planner.documents import Finding, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from planner.documents import Gate, Measurement, Step

_COMPARISONS: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
_TEST = re.compile(r"\s*(<=|>=|!=|<|>|=)\s*([-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?)\s*")


@dataclass(frozen=True)
class GateResult:
    """How a gate came out."""

    passed: bool
    measured: float | None
    """The number that was compared; None when nothing was measured."""
    sentence: str
    """Says what was compared and how it came out."""


def parse_test(test: str) -> tuple[str, float]:
    """The comparison and the number of a test such as `>= 0.5`.

    Raises:
        InputError: it is something else.
    """
    match = _TEST.fullmatch(test)
    if match is None:
        message = f"The gate test {test!r} is not a comparison with a number."
        fix = f"Write one of {' '.join(_COMPARISONS)} and a number, such as `< 0.8`."
        raise InputError([Finding(code="RUN140", severity="error", message=message, fix=fix)])
    return match[1], float(match[2])


def evaluate(gate: Gate, metrics: Mapping[str, Mapping[str, Measurement]]) -> GateResult:
    """Compare what was measured.

    A metric that nothing measured counts as lower than every number: it has not met a target (`< 0.8` passes), and
    it is no evidence for anything (`>= 0.5` does not). So does a difference to what was not measured.

    Args:
        gate: the gate.
        metrics: address of a finished step to its metrics, in plan order; skipped steps are not in it.
    """
    word, limit = parse_test(gate.test)
    found = [
        metrics[address][gate.metric]
        for address in metrics
        if address in gate.steps and gate.metric in metrics[address]
    ]
    if gate.against is not None:
        other = metrics.get(gate.against, {}).get(gate.metric)
        found = [] if other is None else [difference(one, other) for one in found]
    bounds = [(_bound(each, gate.bound), each.value) for each in found]
    finite = [each for each in bounds if math.isfinite(each[0])]
    told = None if not finite else finite[-1] if gate.combine == "last" else max(finite)
    measured = None if told is None else told[0]
    passed = _COMPARISONS[word](-math.inf if measured is None else measured, limit)
    return GateResult(passed=passed, measured=measured, sentence=_sentence(gate, told, passed=passed))


def first_closed(
    step: Step,
    when: str,
    metrics: Mapping[str, Mapping[str, Measurement]],
    told: Callable[[Gate, GateResult], None] | None = None,
) -> tuple[Gate, str] | None:
    """The first gate of a step that says no, with its sentence; gates of one name are alternatives.

    Args:
        step: the step.
        when: `before` or `after` it.
        metrics: as in `evaluate`.
        told: called with every gate that is looked at and how it came out.
    """
    for name in dict.fromkeys(gate.name for gate in step.gates if gate.when == when):
        closed: tuple[Gate, str] | None = None
        for gate in (gate for gate in step.gates if gate.when == when and gate.name == name):
            result = evaluate(gate, metrics)
            if told is not None:
                told(gate, result)
            closed = None if result.passed else (gate, result.sentence)
            if result.passed:
                break
        if closed is not None:
            return closed
    return None


def stopping(step: Step, gate: Gate, sentence: str) -> str:
    """Why a run ends before or after a step, and what the gate's reason says to do."""
    where = f"{step.address} was not started" if gate.when == "before" else f"Stopped after {step.address}"
    return f"{where}: {sentence}" + (f"; {gate.because}." if gate.because else "")


def _bound(measurement: Measurement, bound: str) -> float:
    end = {"low": measurement.low, "high": measurement.high}.get(bound)
    return measurement.value if end is None else end


def _sentence(gate: Gate, told: tuple[float, float] | None, *, passed: bool) -> str:
    """What was compared: the value, and beside it the end of its interval where that is what counts."""
    name = gate.metric if gate.against is None else f"{gate.metric} less that of {gate.against}"
    said = f"{name} was not measured"
    if told is not None:
        bound, value = told
        end = {"low": f", {bound:.4g} at least", "high": f", {bound:.4g} at most"}.get(gate.bound, "")
        said = f"{name} is {value:.4g}{end if bound != value else ''}"
    return f"{gate.name}: {'yes' if passed else 'no'}, {said} (test: {gate.test})"
