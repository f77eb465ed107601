"""Facts about our own specs and plans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.facts import Unknown, fact
from planner.planning import planner_version

if TYPE_CHECKING:
    from planner.documents import Plan
    from planner.review.configuration import Configuration


def _plan(configuration: Configuration) -> Plan | Unknown:
    return configuration.plan or Unknown("the file is no spec or plan")


def _answer(configuration: Configuration, question: str) -> Any:
    plan = _plan(configuration)
    if isinstance(plan, Unknown):
        return plan
    decision = plan.decision(question)
    missing = decision is None or decision.answer is None
    return Unknown(f"the plan does not answer {question}") if missing or decision is None else decision.answer


@fact()
def config_plan_edited(configuration: Configuration) -> bool | Unknown:
    """Whether a plan is not what its digest says."""
    return configuration.edited if configuration.tool == "adapt-plan" else Unknown("the file is no plan")


@fact()
def config_plan_other_version(configuration: Configuration) -> bool | Unknown:
    """Whether a plan was written by another version of the planner."""
    plan = _plan(configuration)
    return plan if isinstance(plan, Unknown) else plan.planner != planner_version()


@fact()
def config_plan_applyable(configuration: Configuration) -> bool | Unknown:
    """Whether the plan can be run."""
    plan = _plan(configuration)
    return plan if isinstance(plan, Unknown) else plan.status.applyable


@fact()
def config_plan_because(configuration: Configuration) -> str | Unknown:
    """Why the plan can or cannot be run."""
    plan = _plan(configuration)
    return plan if isinstance(plan, Unknown) else plan.status.because


@fact()
def config_plan_needs(configuration: Configuration) -> str | Unknown:
    """What would make the plan runnable."""
    plan = _plan(configuration)
    if isinstance(plan, Unknown):
        return plan
    return "; ".join(plan.status.needs) or "another model, device or limit"


@fact(unit="steps")
def config_plan_ungated(configuration: Configuration) -> int | Unknown:
    """Steps that train and stand behind no gate, though an earlier step measures."""
    plan = _plan(configuration)
    if isinstance(plan, Unknown):
        return plan
    measured = any(step.executor == "evaluate" for step in plan.steps)
    if not measured:
        return 0
    first = next(index for index, step in enumerate(plan.steps) if step.executor == "evaluate")
    return sum(step.executor == "train" and not step.gates for step in plan.steps[first:])


@fact()
def config_plan_merge(configuration: Configuration) -> str | Unknown:
    """How models are merged, by the plan."""
    return _answer(configuration, "merge")  # type: ignore[no-any-return]


@fact()
def config_plan_serving(configuration: Configuration) -> str | Unknown:
    """How the result is served, by the plan."""
    return _answer(configuration, "serving")  # type: ignore[no-any-return]


@fact(unit="tenants")
def config_plan_tenants(configuration: Configuration) -> int | Unknown:
    """Variants that must be served."""
    plan = _plan(configuration)
    return plan if isinstance(plan, Unknown) else plan.spec.task.tenants


@fact()
def config_plan_quantized_unmeasured(configuration: Configuration) -> bool | Unknown:
    """Whether the plan quantizes, and nothing is measured after it."""
    plan = _plan(configuration)
    if isinstance(plan, Unknown):
        return plan
    last = max((index for index, step in enumerate(plan.steps) if step.executor == "quantize"), default=None)
    return last is not None and not any(step.executor == "evaluate" for step in plan.steps[last:])
