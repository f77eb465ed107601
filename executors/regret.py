"""What the gates would have picked, once every rung is measured: the points lost against the best, the cost saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.comparison import Comparison, best
from executors.gates import first_closed, stopping
from executors.schedule import schedule, skipped_input
from planner.documents import SCREEN, Measurement, ReadAhead

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from executors.report import RungReport, StepReport
    from planner.documents import Plan


class Regret(ReadAhead):
    """The gates against measuring everything."""

    metric: str
    """The metric that is compared: the target's, else the first of the evaluation."""
    picked: str | None
    """The rung that a run with gates ends with: the first that meets the target, else the best that it measures."""
    picked_score: Measurement | None = None
    best: str
    best_score: Measurement
    lost: Comparison | None = None
    """What the best rung has more than the one that was picked, case by case; null when they are the same rung, or
    their answers cannot be compared."""
    measured: tuple[str, ...]
    """The rungs that a run with gates measures."""
    because: str
    """How a run with gates ends."""
    wall_s: float
    """Seconds of the steps by which a run with gates comes to its rung. What follows the choice, such as a merge, its
    proof, probes or the curve of the examples, is counted nowhere: it is the same whoever chooses."""
    cpu_s: float
    all_wall_s: float
    """Seconds of the steps by which every rung is measured."""
    all_cpu_s: float

    @property
    def saved(self) -> float:
        """Share of the processor time that the gates save."""
        return 1 - self.cpu_s / self.all_cpu_s if self.all_cpu_s else 0.0


def regret(
    plan: Plan,
    steps: Sequence[StepReport],
    rungs: Sequence[RungReport],
    falling: Callable[[str], bool],
    compare: Callable[[str, str, str], Comparison | None],
) -> Regret | None:
    """Compare what the gates would have picked with the best rung; None when no metric is shared by two rungs.

    Args:
        plan: the plan, of which every rung was measured as far as it could be.
        steps: how its steps came out.
        rungs: its rungs, in the order of the run.
        falling: whether less of a metric is better.
        compare: the difference of a metric between two steps, by their answers: step, other step, metric.
    """
    reports = {report.address: report for report in steps if report.finished}
    gated, because = replay(plan, reports)
    proofs = _proofs(plan)
    tried = {rung.step: rung for rung in rungs if rung.step in reports and rung.step not in proofs}
    metric = _metric(plan, tried)
    if metric is None:
        return None
    scores = {address: reports[address].metrics for address in tried if metric in reports[address].metrics}
    whole = _whole(scores)
    top = best(metric, {each: scores[each] for each in scores if each not in whole}, falling=falling(metric))
    seen = {each: scores[each] for each in scores if each in gated and whole.get(each) not in gated}
    met = next((address for address in seen if tried[address].met), None)
    picked = met or best(metric, seen, falling=falling(metric))
    if top is None:
        return None
    # A rung of which the gated run sees a few rows was measured here on all.
    picked = picked and _same_prompt(plan, whole, picked)
    needed = measuring(plan)
    costs = {address: report.cost for address, report in reports.items() if report.cost and address in needed}
    return Regret(
        metric=metric,
        picked=tried[picked].rung if picked else None,
        picked_score=scores[picked][metric] if picked else None,
        best=tried[top].rung,
        best_score=scores[top][metric],
        lost=compare(top, picked, metric) if picked and picked != top else None,
        measured=tuple(rung.rung for address, rung in tried.items() if address in gated),
        because=because,
        wall_s=round(sum(cost.wall_s for address, cost in costs.items() if address in gated), 3),
        cpu_s=round(sum(cost.cpu_s for address, cost in costs.items() if address in gated), 3),
        all_wall_s=round(sum(cost.wall_s for cost in costs.values()), 3),
        all_cpu_s=round(sum(cost.cpu_s for cost in costs.values()), 3),
    )


def measuring(plan: Plan) -> set[str]:
    """The steps that some rung needs to be measured; what only proves, probes or files a result is none of them."""
    steps, proofs = {step.address: step for step in plan.steps}, _proofs(plan)
    found, left = set[str](), [step.address for step in plan.steps if step.rung and step.address not in proofs]
    while left:
        address = left.pop()
        if address not in found:
            found.add(address)
            left += steps[address].needs
    return found


def _proofs(plan: Plan) -> set[str]:
    """Rungs with a proof of their own repeat an earlier one: merged or quantized, they answer the same."""
    return {step.address for step in plan.steps if any(gate.when == "after" for gate in step.gates)}


def _whole(addresses: Collection[str]) -> dict[str, str]:
    """The screens of rungs that were measured on all rows, with the address of that."""
    screens = {address: address.removesuffix(SCREEN) for address in addresses if address.endswith(SCREEN)}
    return {screen: address for screen, address in screens.items() if address in addresses}


def _same_prompt(plan: Plan, whole: Mapping[str, str], address: str) -> str:
    """The measurement on all rows of what a screen measured; the screen itself where that had another prompt."""
    measured = plan.step(whole[address]) if address in whole else None
    reads = measured.inputs.get("screened") if measured is not None else None
    return whole[address] if reads is not None and reads.step == address else address


def replay(plan: Plan, reports: Mapping[str, StepReport]) -> tuple[set[str], str]:
    """The steps that a run with gates carries out, given what each of them measures, and how that run ends."""
    skipped: dict[str, str] = {}
    ran: dict[str, Mapping[str, Measurement]] = {}
    for step in schedule(plan.steps):
        reason = skipped_input(step, skipped)
        closed = first_closed(step, "before", ran) if reason is None else None
        if closed is not None and closed[0].otherwise == "stop":
            return {*ran}, stopping(step, *closed)
        if reason is not None or closed is not None or step.address not in reports:
            skipped[step.address] = reason or (closed[1] if closed else "not measured")
            continue
        ran[step.address] = reports[step.address].metrics
        closed = first_closed(step, "after", ran)
        if closed is not None:
            return {*ran}, f"stopped after {step.address}: {closed[1]}"
    return {*ran}, "every step is done or not needed"


def _metric(plan: Plan, tried: Mapping[str, RungReport]) -> str | None:
    evaluation = plan.spec.evaluation
    asked = dict.fromkeys([*sorted(evaluation.target), *evaluation.metrics])
    measured = [name for rung in tried.values() for name in rung.metrics]
    return next((name for name in [*asked, *dict.fromkeys(measured)] if measured.count(name) > 1), None)
