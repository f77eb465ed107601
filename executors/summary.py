"""Makes the report of a run from its steps: the rungs, what was reached, and the sum of the cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.forms import forms_of
from executors.gates import evaluate
from executors.report import RungReport, RunReport, StepReport
from planner.documents import SCREEN, Cost

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.report import RunStatus
    from planner.documents import Artifact, Gate, Plan, Step


def waiting(step: Step) -> StepReport:
    """The report of a step that has not been looked at."""
    return StepReport(address=step.address, title=step.title, executor=step.executor, rung=step.rung)


def summarize(
    plan: Plan, run: str, steps: Sequence[StepReport], outcome: tuple[RunStatus, str], wall_s: float
) -> RunReport:
    """The report of a run.

    Args:
        plan: the plan that is run.
        run: the run's id.
        steps: the reports of all steps, in the order in which they run.
        outcome: how the run stands, and why in one sentence.
        wall_s: seconds that the call took.
    """
    reports = {report.address: report for report in steps}
    rungs = _rungs(plan, reports)
    return RunReport(
        run=run,
        plan=plan.digest,
        name=plan.name,
        status=outcome[0],
        because=outcome[1],
        target=plan.spec.evaluation.target,
        reached=next((rung.rung for rung in rungs if rung.met), None),
        steps=tuple(steps),
        rungs=rungs,
        equivalence=forms_of(plan, reports),
        outputs={name: f"outputs/{plan.name}/{name}" for name in outputs(plan, reports)},
        cost=_total([report.cost for report in steps if report.cost is not None]),
        wall_s=round(wall_s, 3),
    )


def _rungs(plan: Plan, reports: Mapping[str, StepReport]) -> tuple[RungReport, ...]:
    counted: set[str] = set()
    steps = {step.address: step for step in plan.steps}
    rungs: list[RungReport] = []
    for report in reports.values():
        if report.rung is None:
            continue
        gates = [gate for step in plan.steps for gate in step.gates if _asks(gate, report.address)]
        is_screen = report.address.endswith(SCREEN)
        met = None if is_screen else _met(plan, gates, report)
        own = _with_needs(report.address, steps) - counted
        counted |= own
        seconds = [reports[address].seconds for address in own]
        proofs = _proofs(plan, report.address, reports)
        shown = {gate.metric for gate in (*gates, *proofs)} | set(plan.spec.evaluation.target)
        shown |= set(plan.spec.evaluation.metrics) if proofs else set()
        rungs.append(
            RungReport(
                rung=report.rung,
                step=report.address,
                status=report.status,
                metrics={name: value for name, value in report.metrics.items() if name in shown} or report.metrics,
                met=met,
                seconds=sum(value for value in seconds if value is not None) if report.finished else None,
                decision=_screened(plan, report, reports)
                if is_screen and report.finished
                else _decision(report, proofs, reports, met=met, any_gate=bool(gates)),
            )
        )
    return tuple(rungs)


def _asks(gate: Gate, address: str) -> bool:
    """Whether a gate keeps later work from being done once this step's result is good enough."""
    is_target = gate.when == "before" and gate.otherwise == "skip" and gate.name.startswith("target")
    return is_target and address in gate.steps and gate.test.strip()[0] == "<"


def _met(plan: Plan, gates: Sequence[Gate], report: StepReport) -> bool | None:
    target = plan.spec.evaluation.target
    alone = {report.address: report.metrics}
    measured = [gate for gate in gates if gate.metric in report.metrics]
    if measured:
        return not any(evaluate(gate, alone).passed for gate in measured)
    # Like the gates of the ladder: met beyond chance, by the lower end of the interval.
    found = {name: report.metrics[name] for name in target if name in report.metrics}
    compared = [(one.value if one.low is None else one.low) >= target[name] for name, one in found.items()]
    return all(compared) if compared else None


def _proofs(plan: Plan, address: str, reports: Mapping[str, StepReport]) -> list[Gate]:
    """What is asked of a measurement once it is there: by itself, and by what held it against another."""
    asking = [step for step in plan.steps if step.address == address or _holds(step, address, reports)]
    return [gate for step in asking for gate in step.gates if gate.when == "after"]


def _holds(step: Step, address: str, reports: Mapping[str, StepReport]) -> bool:
    """Whether a step has compared the answers of a measurement."""
    answers = step.inputs.get("predictions")
    compares = step.executor == "equivalence" and reports[step.address].finished
    return compares and answers is not None and answers.step == address


def _decision(
    report: StepReport,
    proofs: Sequence[Gate],
    reports: Mapping[str, StepReport],
    *,
    met: bool | None,
    any_gate: bool,
) -> str:
    if not report.finished:
        return report.reason
    metrics = {address: each.metrics for address, each in reports.items() if each.finished}
    closed = [gate.name for gate in proofs if not evaluate(gate, metrics).passed]
    if proofs:
        return f"not so: {closed[0]}" if closed else proofs[0].name
    if met is None:
        return "not compared with a target"
    if met:
        return "target met" + (", what follows is skipped" if any_gate else "")
    return "below the target" + (", goes on" if any_gate else ", no rung is left")


def _screened(plan: Plan, report: StepReport, reports: Mapping[str, StepReport]) -> str:
    """What followed from a few rows: the gates that look at them, as they came out."""
    metrics = {address: each.metrics for address, each in reports.items() if each.finished}
    gates = [gate for step in plan.steps for gate in step.gates if gate.name.startswith(f"{report.address} may ")]
    closed = [gate for gate in gates if not evaluate(gate, metrics).passed]
    return f"left: {closed[0].because}" if closed else "in the running"


def _with_needs(address: str, steps: Mapping[str, Step]) -> set[str]:
    found: set[str] = set()
    ahead = [address]
    while ahead:
        here = ahead.pop()
        if here not in found:
            found.add(here)
            step = steps[here]
            ahead += [*step.needs, *(source.step for source in step.inputs.values() if source.step is not None)]
    return found


def outputs(plan: Plan, reports: Mapping[str, StepReport]) -> dict[str, Artifact]:
    """What the plan leaves, as far as it was made, by name."""
    made: dict[str, Artifact] = {}
    for name, source in plan.outputs.items():
        address, _, output = source.partition(":")
        artifact = reports[address].artifacts.get(output) if address in reports else None
        if artifact is not None:
            made[name] = artifact
    return made


def _total(costs: Sequence[Cost]) -> Cost:
    tokens = [cost.tokens for cost in costs if cost.tokens is not None]
    device = [cost.device_peak_bytes for cost in costs if cost.device_peak_bytes is not None]
    return Cost(
        wall_s=round(sum(cost.wall_s for cost in costs), 3),
        cpu_s=round(sum(cost.cpu_s for cost in costs), 3),
        peak_memory_bytes=max((cost.peak_memory_bytes for cost in costs), default=0),
        device_peak_bytes=max(device, default=None),
        tokens=sum(tokens) if tokens else None,
    )
