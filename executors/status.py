"""How the runs of a state folder stand, read from disk while a runner may be at work."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from executors.attempt import AttemptFolder, read_document
from executors.follow import Follower
from executors.journal import read_journal
from executors.locks import holder
from executors.report import RunReport, StepReport
from executors.schedule import schedule
from executors.summary import summarize, waiting
from planner.documents import Plan, canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable

    from executors.report import RunStatus
    from executors.state import RunFolder, State
    from planner.documents import Event

_INTERRUPTED = "Interrupted; running the plan again goes on from here."


@dataclass(frozen=True)
class RunStanding:
    """A run as it is on disk."""

    report: RunReport
    started: float
    """When it was last started, in seconds since 1970-01-01 UTC."""
    progress: Event | None
    """The newest progress of the step that runs."""


def read_status(state: State, now: float | None = None) -> list[RunStanding]:
    """All runs of a state folder, the one that was started last first.

    Args:
        state: the state folder; it need not exist.
        now: seconds since 1970-01-01 UTC.

    Raises:
        InputError: a run's records are damaged.
    """
    # The runner that holds the lock is at work on the run that was started last.
    is_busy = holder(state.lock) is not None
    now = time.time() if now is None else now
    events = {folder: list(read_journal(folder.journal)) for folder in state.all_runs()}
    begun = sorted((found[_last_start(found)].time, folder.id, folder) for folder, found in events.items() if found)
    standings = [
        _standing(folder, events[folder], now, is_busy=is_busy and folder is begun[-1][2]) for *_, folder in begun
    ]
    return [standing for standing in reversed(standings) if standing is not None]


def _standing(folder: RunFolder, events: list[Event], now: float, *, is_busy: bool) -> RunStanding | None:
    plan = read_document(Plan, folder.plan)
    if plan is None:
        return None
    latest = events[_last_start(events) :]
    started = latest[0].time
    reports = {step.address: waiting(step) for step in schedule(plan.steps)}
    running: Event | None = None
    for event in latest:
        if event.step is None:
            continue
        if "report" in event.data:
            reports[event.step] = StepReport.model_validate_json(canonical_json(event.data["report"]))
            running = None
        elif event.kind in {"step-started", "step-adopted"}:
            running = event
    progress = None
    if running is not None and running.step is not None and running.attempt is not None and is_busy:
        update = {"status": "running", "attempt": running.attempt}
        reports[running.step] = reports[running.step].model_copy(update=update)
        attempt = AttemptFolder.of(folder.step(running.step), running.attempt)
        progress = _newest(Follower(attempt.events).new_events())
    status, because, ended = _outcome(latest, is_busy=is_busy)
    wall_s = (now if status == "running" else ended) - started
    report = summarize(plan, folder.id, list(reports.values()), (status, because), wall_s)
    return RunStanding(report, started, progress)


def _outcome(events: list[Event], *, is_busy: bool) -> tuple[RunStatus, str, float]:
    """How the last start ended, why, and when."""
    last = events[-1]
    if last.kind in {"run-done", "run-stopped"}:
        return cast("RunStatus", last.data.get("status", "done")), last.message, last.time
    return ("running", "Running.", last.time) if is_busy else ("interrupted", _INTERRUPTED, last.time)


def _last_start(events: list[Event]) -> int:
    """Where the newest start of a run stands among its events."""
    return max((index for index, event in enumerate(events) if event.kind == "run-started"), default=0)


def _newest(events: Iterable[Event]) -> Event | None:
    return next(iter(deque(events, maxlen=1)), None)
