"""What a plan takes beyond what the spec allows or the machine has, as findings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Finding, Where

if TYPE_CHECKING:
    from planner.documents import Budget, Spec, Step
    from planner.survey import Survey


def shortages(spec: Spec, planned: Budget, steps: tuple[Step, ...], survey: Survey) -> tuple[Finding, ...]:
    """Hours and dollars beyond the constraints, models that the disk does not hold, trainings that no device holds."""
    return (*over_budget(spec, planned), *over_disk(steps, survey), *over_memory(steps, survey))


def over_budget(spec: Spec, planned: Budget) -> tuple[Finding, ...]:
    """What the plan is expected to take beyond the spec's constraints."""
    limits = spec.constraints
    hours, cost = planned.time.expected / 3600, planned.cost
    found = []
    if limits.max_hours is not None and hours > limits.max_hours:
        message = f"Every rung together is expected to take {hours:.1f} hours; the spec allows {limits.max_hours:g}."
        found.append(_over(message, "/constraints/max_hours"))
    if limits.budget_usd is not None and cost is not None and cost.expected > limits.budget_usd:
        message = (
            f"Every rung together is expected to cost ${cost.expected:,.2f}; the spec allows ${limits.budget_usd:,g}."
        )
        found.append(_over(message, "/constraints/budget_usd"))
    return tuple(found)


def over_disk(steps: tuple[Step, ...], survey: Survey) -> tuple[Finding, ...]:
    """What the plan's models take on the disk beyond what is free there, at the low end of the estimate."""
    free = survey.hardware.disk_bytes
    needed = sum(step.resources.disk.low for step in steps if step.resources.disk)
    if free is None or needed <= free:
        return ()
    message = f"The models that the plan writes take {needed / 1e9:.3g} GB or more, and {free / 1e9:.3g} GB are free."
    fix = "Free some space, or plan for a folder on another disk."
    where = Where(pointer="/hardware/disk_gb")
    return (Finding(code="BUDGET002", severity="warning", message=message, fix=fix, where=where),)


def _over(message: str, pointer: str) -> Finding:
    fix = "Take a smaller model, less data or other hardware, or allow more."
    return Finding(code="BUDGET001", severity="warning", message=message, fix=fix, where=Where(pointer=pointer))


def over_memory(steps: tuple[Step, ...], survey: Survey) -> tuple[Finding, ...]:
    """Trainings that a device does not hold even at the low end, such as of a model that a merge made larger."""
    device = survey.hardware.device
    found = []
    for step in steps:
        memory = step.resources.device_memory
        if step.executor != "train" or memory is None or not device.memory_bytes or memory.low <= device.memory_bytes:
            continue
        message = f"{step.address} needs {memory.low / 1e9:.3g} GB or more, and {device.name} has "
        message += f"{device.memory_bytes / 1e9:.3g} GB."
        fix = "Take a device with more memory, smaller sources or fewer experts."
        found.append(
            Finding(code="BUDGET003", severity="warning", message=message, fix=fix, where=Where(pointer="/hardware"))
        )
    return tuple(found)
