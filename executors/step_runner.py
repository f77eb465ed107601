"""Carries out one step: reuses what is done, adopts what still runs, tries again what failed as foreseen."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from executors.action import action_key
from executors.attempt import (
    AttemptFolder,
    JobFile,
    attempts,
    new_attempt,
    processes_of,
    read_document,
    write_document,
)
from executors.environments import own_packages, python_of
from executors.files import remove
from executors.follow import Follower
from executors.ledger import record
from executors.places.environment import shared_out
from executors.retries import history, next_retry, params_after
from executors.usage import memory_kills
from executors.vanished import vanished
from planner.documents import Event, StepResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from executors.pins import Resolved
    from executors.places import Place, Process
    from executors.registry import Registry
    from executors.state import RunFolder, State
    from executors.store import Store
    from planner.documents import Step
    from planner.documents.events import EventKind

GRACE_S = 10.0
_SHORTEST_PAUSE_S, _LONGEST_PAUSE_S = 0.002, 0.1
# A step is noticed to have ended at most this much later than it took.
_DELAY = 0.02


@dataclass
class StepRunner:
    """Carries out the steps of one run, one at a time."""

    run: RunFolder
    state: State
    store: Store
    place: Place
    registry: Registry
    pins: Mapping[str, Resolved]
    environment: Mapping[str, str]
    emit: Callable[[Event], None]
    clock: Callable[[], float]
    results: dict[str, StepResult] = field(default_factory=dict)
    """Results of finished steps by address."""
    _tag: str | None = None

    def carry_out(self, step: Step) -> tuple[StepResult, bool]:
        """The result of a step, and whether it was there already.

        The result may say `failed`; then the retry ladder had no more to offer.
        """
        inputs = self._inputs(step)
        key = action_key(step, {name: found.digest for name, found in inputs.items()})
        known = read_document(StepResult, self.state.action(key))
        if known is not None and self._is_whole(known):
            remove(self.state.checkpoints(key))  # a kill may have come between the result and this
            return self._finish(step, known), True
        past = attempts(self.run.step(step.address))
        result, applied = self._previous(step, past[-1], key) if past else (None, ())
        was_there = result is not None
        if result is None or result.status == "failed":
            was_there = False
            result = self._until_settled(step, key, inputs, result, applied)
        if result.status == "done":
            write_document(self.state.action(key), result)
            remove(self.state.checkpoints(key))
            self._finish(step, result)
        return result, was_there

    def stop(self) -> None:
        """Stop the worker that runs now, if there is one."""
        process = self.place.find(self._tag) if self._tag is not None else None
        if process is not None:
            self.place.cancel(process, GRACE_S)

    def stop_other(self, address: str, attempt: int, run: RunFolder) -> bool:
        """Stop the worker that an earlier run left behind; False when there is none."""
        process = self.place.find(_tag(run, address, attempt))
        if process is not None:
            self.place.cancel(process, GRACE_S)
        return process is not None

    def log(self, step: Step, attempt: int) -> str:
        """The log of an attempt, relative to the state folder."""
        log = AttemptFolder.of(self.run.step(step.address), attempt).log
        return log.relative_to(self.state.folder).as_posix()

    def _finish(self, step: Step, result: StepResult) -> StepResult:
        self.results[step.address] = result
        return result

    def _inputs(self, step: Step) -> dict[str, _Found]:
        found: dict[str, _Found] = {}
        for name, source in step.inputs.items():
            if source.pin is not None:
                pin = self.pins[source.pin]
                found[name] = _Found(pin.location, pin.digest)
            elif source.step is not None and source.output is not None:
                artifact = self.results[source.step].artifacts[source.output]
                found[name] = _Found(str(self.store.get(artifact.digest)), artifact.digest)
        return found

    def _is_whole(self, result: StepResult) -> bool:
        return result.status == "done" and all(map(self.store.has, result.artifacts.values()))

    def _previous(self, step: Step, last: AttemptFolder, key: str) -> tuple[StepResult | None, tuple[int, ...]]:
        """What the newest attempt of an earlier call came to, and the retries that were in it.

        No result means: start another attempt with these retries.
        """
        job = last.job()
        if job is None or job.action_key != key:
            self.stop_other(step.address, last.number, self.run)
            return None, ()
        process = self.place.find(job.tag)
        if process is not None:
            self._say("step-adopted", step, last.number, f"still runs in process {process.id}; waiting for it")
            return self._wait(job, last, process), job.retries
        result = last.result()
        if result is None:
            remove(last.out)
            return None, job.retries
        if result.status == "done":
            return (result, job.retries) if self._is_whole(result) else (None, ())
        if result.error is not None and result.error.cls == "preempted":
            return None, job.retries
        # Whoever runs a failed plan again has changed something: it gets the whole ladder again.
        return None, ()

    def _until_settled(
        self,
        step: Step,
        key: str,
        inputs: Mapping[str, _Found],
        result: StepResult | None,
        applied: tuple[int, ...],
    ) -> StepResult:
        """Attempts until one is done or the ladder has nothing for its failure."""
        while result is None or result.error is not None:
            if result is not None and result.error is not None:
                retry = next_retry(step, applied, result.error.cls)
                if retry is None:
                    return result
                applied = (*applied, retry)
                change = step.retry[retry]
                message = f"{result.error.message} Trying again{_with(change.set)}."
                data = {"class": result.error.cls, "set": change.set, "because": change.because}
                self._say("step-retried", step, result.attempt, message, data)
            result = self._attempt(step, key, inputs, applied)
        return result

    def _attempt(self, step: Step, key: str, inputs: Mapping[str, _Found], applied: tuple[int, ...]) -> StepResult:
        attempt = new_attempt(self.run.step(step.address))
        job = JobFile(
            tag=_tag(self.run, step.address, attempt.number),
            address=step.address,
            attempt=attempt.number,
            executor=step.executor,
            target=self.registry.target(step.executor),
            version=step.version,
            action_key=key,
            params=params_after(step, applied),
            retries=applied,
            retried=history(step, applied),
            processes=processes_of(step.params),
            inputs={name: found.location for name, found in inputs.items()},
            outputs=step.outputs,
            checkpoints=str(self.state.checkpoints(key)),
            cache=str(self.state.cache),
            store=str(self.store.folder),
        )
        self._say("step-started", step, attempt.number, step.title)
        write_document(attempt.job_file, job)
        # -P: the folder that `adapt` was called in must not add modules of its own.
        starter = "executors.launch" if job.processes else "executors.worker"
        python = sys.executable if step.environment is None else str(python_of(step.environment))
        command = [python, "-P", "-m", starter, str(attempt.folder)]
        self._tag = job.tag
        environment = shared_out(self.environment, job.processes or 1)
        if step.environment is not None:
            environment |= own_packages(self.state.packages, job.target)
        process = self.place.submit(command, job.tag, environment=environment, log=attempt.log)
        return self._wait(job, attempt, process)

    def _wait(self, job: JobFile, attempt: AttemptFolder, process: Process) -> StepResult:
        """Pass on a worker's progress until it has ended."""
        self._tag = job.tag
        follower = Follower(attempt.events)
        kills, started, peak = memory_kills(), time.monotonic(), 0
        while (status := self.place.poll(process)) is None:
            for event in follower.new_events():
                self.emit(event)
                peak = max(peak, event.peak_memory_bytes or 0)
            took = time.monotonic() - started
            time.sleep(min(max(took * _DELAY, _SHORTEST_PAUSE_S), _LONGEST_PAUSE_S))
        for event in follower.new_events():
            self.emit(event)
        self._tag = None
        result = attempt.result()
        if result is not None:
            return result
        remove(attempt.out)
        wall_s = time.monotonic() - started
        result = vanished(job, status, wall_s, kills_before=kills, peak_memory_bytes=peak)
        # Else the worker does it.
        record(job, result)
        return result

    def _say(
        self, kind: EventKind, step: Step, attempt: int, message: str, data: Mapping[str, object] | None = None
    ) -> None:
        event = {"kind": kind, "time": self.clock(), "step": step.address, "attempt": attempt, "message": message}
        self.emit(Event.model_validate(event | {"data": dict(data or {})}))


@dataclass(frozen=True)
class _Found:
    """An input as the worker gets it."""

    location: str
    digest: str


def _tag(run: RunFolder, address: str, attempt: int) -> str:
    return f"{run.id}/{address}/{attempt}"


def _with(change: Mapping[str, object]) -> str:
    return " with " + ", ".join(f"{name} = {value}" for name, value in sorted(change.items())) if change else ""
