"""Makes a plan ready to run: everything that can be found wrong is found before anything is written."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executors.attempt import attempts
from executors.pins import Resolved, resolve_pins
from executors.precheck import check_disk, disk_needed_bytes, load_executors, precheck
from executors.schedule import schedule
from executors.site import this_site
from planner.documents import Finding, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from executors.registry import Registry
    from executors.state import State
    from planner.documents import Plan, Step


@dataclass(frozen=True)
class Ready:
    """A plan that can start."""

    order: tuple[Step, ...]
    pins: dict[str, Resolved]
    warnings: tuple[Finding, ...]


def make_ready(plan: Plan, root: Path, state: State, registry: Registry, allow_paths: Sequence[Path]) -> Ready:
    """Check a plan against this machine.

    Raises:
        InputError: with every problem that was found.
    """
    _check_applyable(plan)
    order = schedule(plan.steps)
    problems: list[Finding] = []
    pins: dict[str, Resolved] = {}
    warnings: tuple[Finding, ...] = ()
    with _gathering(problems):
        _check_pin_names(plan)
        pins = resolve_pins(plan.pins, root, allow_paths)
    with _gathering(problems):
        site = this_site(plan.hardware, state.folder)
        executors = load_executors(plan.steps, registry)
        warnings = precheck(plan.steps, executors, site)
        open_steps = [step for step in plan.steps if not _is_done(step, plan, state)]
        check_disk(sum(disk_needed_bytes(step, executors[step.executor], site) for step in open_steps), site)
    if problems:
        raise InputError(problems)
    return Ready(order, pins, warnings)


@contextmanager
def _gathering(problems: list[Finding]) -> Iterator[None]:
    """Keep the findings of a check, so that the next one is made too."""
    try:
        yield
    except InputError as error:
        problems += error.findings


def _check_applyable(plan: Plan) -> None:
    if not plan.status.applyable:
        message = f"The plan cannot be run: {plan.status.because.rstrip('.')}."
        fix = f"It would need: {'; '.join(plan.status.needs)}." if plan.status.needs else ""
        raise InputError([Finding(code="RUN180", severity="error", message=message, fix=fix)])
    if plan.status.waits_for:
        message = f"The plan waits for {', '.join(plan.status.waits_for)}, which the spec does not name."
        raise InputError.one("RUN188", message, "Name it in the spec, and plan again.")


def _check_pin_names(plan: Plan) -> None:
    problems = [
        Finding(
            code="RUN185",
            severity="error",
            message=f"The input {name} of {step.address} is the pin {source.pin}, which the plan does not have.",
            fix="Plan again.",
        )
        for step in plan.steps
        for name, source in sorted(step.inputs.items())
        if source.pin is not None and source.pin not in plan.pins
    ]
    if problems:
        raise InputError(problems)


def _is_done(step: Step, plan: Plan, state: State) -> bool:
    past = attempts(state.run(plan.digest).step(step.address))
    return bool(past) and past[-1].result_file.exists()
