"""Runs a plan, step after step; running it again goes on where the last run ended."""

from __future__ import annotations

import os
import signal
import threading
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from executors.differences import with_comparisons, with_regret
from executors.files import write_atomic
from executors.gates import first_closed, stopping
from executors.journal import Journal, last_started
from executors.locks import locked
from executors.outputs import link_outputs
from executors.places import LocalPlace
from executors.places.environment import worker_environment
from executors.plan_file import check_digest, read_plan
from executors.ready import make_ready
from executors.registry import executor_registry
from executors.regret import measuring
from executors.schedule import skipped_input
from executors.state import STATE_FOLDER, State
from executors.step_runner import StepRunner
from executors.store import Store
from executors.summary import summarize, waiting
from planner.documents import Event, Finding, InputError, Plan, Where, pretty_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from executors.gates import GateResult
    from executors.places import Place
    from executors.registry import Registry
    from executors.report import RunReport, RunStatus
    from planner.documents import Gate, Step, StepResult
    from planner.documents.events import EventKind

# What the next start finds out again anyway need not be waited for.
_NOT_SYNCED = frozenset({"step-cached", "step-skipped", "gate"})
_NOT_JOURNALLED = frozenset({"progress", "log"})


def run_plan(  # noqa: PLR0913 - the one call of the engine; all but the plan are options
    plan: Path | Plan,
    root: Path | None = None,
    *,
    allow_paths: Sequence[Path] = (),
    offline: bool = False,
    all_rungs: bool = False,
    on_event: Callable[[Event], None] | None = None,
    state: Path | None = None,
    registry: Registry | None = None,
    place: Place | None = None,
    clock: Callable[[], float] = time.time,
) -> RunReport:
    """Run a plan and say how it came out; also how it failed, was stopped by a gate, or was interrupted.

    Args:
        plan: a plan's file, or the plan.
        root: the folder from which the plan's paths count; the file's folder by default.
        allow_paths: folders outside of the root that pinned files may lie in.
        offline: whether libraries must not ask the network; the plan's own constraint counts too.
        all_rungs: whether every rung is measured, whatever its gates say, and the report tells what the gates would
            have picked. Gates of steps that measure no rung, and gates after a step, hold all the same.
        on_event: called with every event, progress included.
        state: the state folder; `.adapt` in the root by default.
        registry: the executors; those of this installation by default.
        place: where workers run; this machine by default.
        clock: seconds since 1970-01-01 UTC.

    Raises:
        InputError: the plan cannot be run; nothing was written.
        LockedError: another run holds the state folder.
        RunError: the run's own records cannot be written.
    """
    started = clock()
    if isinstance(plan, Path):
        root = plan.parent if root is None else root
        document, text = read_plan(plan), plan.read_text(encoding="utf-8")
    else:
        root = Path() if root is None else root
        document, text = plan, pretty_json(plan.to_json())
        check_digest(plan, plan.to_json())
    registry = executor_registry() if registry is None else registry
    folders = State((root / STATE_FOLDER if state is None else state).absolute())
    ready = make_ready(document, root, folders, registry, allow_paths)
    offline = offline or document.spec.constraints.offline
    folder = folders.run(document.digest)
    with ExitStack() as stack:
        with _writable(folders.folder):
            stack.enter_context(locked(folders.lock))
            write_atomic(folder.plan, text)
            journal = stack.enter_context(Journal(folder.journal))
        stack.enter_context(_sigterm_as_ctrl_c())

        def emit(event: Event) -> None:
            if event.kind not in _NOT_JOURNALLED:
                journal.append(event, sync=event.kind not in _NOT_SYNCED)
            if on_event is not None:
                on_event(event)

        steps = StepRunner(
            run=folder,
            state=folders,
            store=Store(folders.store),
            place=LocalPlace(folders.places / "local") if place is None else place,
            registry=registry,
            pins=ready.pins,
            environment=worker_environment(os.environ, offline=offline),
            emit=emit,
            clock=clock,
        )
        run = _Run(document, ready.order, steps, all_rungs=all_rungs)
        outcome = run.go(ready.warnings)
        link_outputs(document, run.reports, folders)
    report = summarize(document, folder.id, list(run.reports.values()), outcome, clock() - started)
    report = with_comparisons(report, document, folders)
    return with_regret(report, document, folders) if all_rungs else report


class _Run:
    """One call of `run_plan`: its records, and the loop over the steps."""

    def __init__(self, plan: Plan, order: Sequence[Step], steps: StepRunner, *, all_rungs: bool) -> None:
        self._plan = plan
        self._all_rungs = all_rungs
        # Every rung is measured, and all that a gate of the plan looks at; the gates of other steps hold.
        looked_at = {address for step in plan.steps for gate in step.gates for address in gate.steps}
        self._ungated = measuring(plan) | looked_at if all_rungs else set[str]()
        self._order = order
        self._steps = steps
        self._skipped: dict[str, str] = {}
        self.reports = {step.address: waiting(step) for step in order}

    def go(self, warnings: Sequence[Finding]) -> tuple[RunStatus, str]:
        """Run all steps; how it ended, and why in one sentence."""
        self._say("run-started", f"Running {self._plan.name}: {len(self._order)} steps.")
        for finding in warnings:
            self._say("log", str(finding))
        try:
            self._stop_leftovers()
            status, because = self._go()
        except KeyboardInterrupt:
            self._steps.stop()
            status, because = "interrupted", "Interrupted; the same command goes on from here."
        except BaseException:
            self._steps.stop()  # nobody would record what it does
            raise
        self._say("run-done" if status == "done" else "run-stopped", because, data={"status": status})
        return status, because

    def _go(self) -> tuple[RunStatus, str]:
        failed = ""
        for step in self._order:
            reason = skipped_input(step, self._skipped)
            gated = reason is None and step.address not in self._ungated
            gate = self._closed_gate(step, "before") if gated else None
            if gate is not None and gate[0].otherwise == "stop":
                return "stopped", stopping(step, *gate)
            if gate is not None:
                reason = gate[1]
            if reason is not None:
                self._skip(step, reason)
                continue
            result, reused = self._steps.carry_out(step)
            self._record(step, result, reused=reused)
            if result.error is not None:
                failed = f"{step.address} failed: {result.error.message}"
                if not self._all_rungs:
                    return "failed", failed
                # The other rungs are worth measuring all the same.
                self._skipped[step.address] = failed
                continue
            gate = self._closed_gate(step, "after")
            if gate is not None:
                return "stopped", stopping(step, *gate)
        if failed:
            return "failed", failed
        said = "measured" if self._all_rungs else "done or not needed"
        return "done", f"All steps of {self._plan.name} are {said}."

    def _closed_gate(self, step: Step, when: str) -> tuple[Gate, str] | None:
        metrics = {address: result.metrics for address, result in self._steps.results.items()}

        def told(gate: Gate, result: GateResult) -> None:
            data = {"passed": result.passed, "measured": result.measured, "otherwise": gate.otherwise}
            self._say("gate", result.sentence, step, data=data)

        return first_closed(step, when, metrics, told)

    def _skip(self, step: Step, reason: str) -> None:
        self._skipped[step.address] = reason
        self._keep("step-skipped", step, {"status": "skipped", "reason": reason}, reason)

    def _record(self, step: Step, result: StepResult, *, reused: bool) -> None:
        kind: EventKind = "step-cached" if reused else "step-done"
        status, reason = ("cached", "unchanged, reused") if reused else ("done", "")
        if result.error is not None:
            kind, status, reason = "step-failed", "failed", f"{result.error.message} {result.error.fix}".strip()
        came_out = {
            "status": status,
            "reason": reason,
            "attempt": result.attempt,
            "metrics": result.metrics,
            "artifacts": result.artifacts,
            "notes": result.notes,
            "params": result.params,
            "seconds": result.cost.wall_s,
            "cost": result.cost,
            "error": result.error,
            "log": None if reused else self._steps.log(step, result.attempt),
        }
        self._keep(kind, step, came_out, reason or step.title, result.attempt)

    def _keep(
        self, kind: EventKind, step: Step, came_out: dict[str, Any], message: str, attempt: int | None = None
    ) -> None:
        report = self.reports[step.address].model_copy(update=came_out)
        self.reports[step.address] = report
        # The whole report stands in the journal: `adapt status` reads it there.
        self._say(kind, message, step, attempt, {"report": report.to_json()})

    def _stop_leftovers(self) -> None:
        """Stop a worker of another plan's run that was killed: nobody waits for it, and it needs the memory."""
        for folder in self._steps.state.all_runs():
            last = last_started(folder.journal) if folder.id != self._steps.run.id else None
            if last is None or last.step is None or last.attempt is None:
                continue
            if self._steps.stop_other(last.step, last.attempt, folder):
                self._say("log", f"Stopped {last.step} of run {folder.id}, which had lost its runner.")

    def _say(
        self,
        kind: EventKind,
        message: str,
        step: Step | None = None,
        attempt: int | None = None,
        data: dict[str, Any] | None = None,
    ) -> None:
        address = step.address if step is not None else None
        now = self._steps.clock()
        self._steps.emit(Event(kind=kind, time=now, step=address, attempt=attempt, message=message, data=data or {}))


@contextmanager
def _writable(folder: Path) -> Iterator[None]:
    """Turn a state folder that cannot be written into one sentence."""
    try:
        yield
    except OSError as error:
        message = f"The state folder {folder} cannot be written: {error.strerror}."
        fix = "Change its permissions, or give another folder."
        where = Where(file=str(folder))
        raise InputError([Finding(code="RUN190", severity="error", message=message, fix=fix, where=where)]) from None


@contextmanager
def _sigterm_as_ctrl_c() -> Iterator[None]:
    """Whoever stops the runner politely gets the same orderly end as at the terminal."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _interrupt(_number: int, _frame: Any) -> NoReturn:
    raise KeyboardInterrupt
