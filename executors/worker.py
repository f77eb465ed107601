"""The worker: one attempt at one step, in a process of its own: `python -m executors.worker ATTEMPT_FOLDER`."""

from __future__ import annotations

import json
import math
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from executors.attempt import AttemptFolder, JobFile, write_document
from executors.contract import Job, Outcome
from executors.files import disk_full, is_disk_full, remove
from executors.ledger import record
from executors.places.local import sign_in
from executors.registry import load_target, make_executor
from executors.reporter import Reporter
from executors.store import Store
from executors.usage import cpu_s, peak_memory_bytes
from planner.documents import AdaptError, Cost, Finding, RunError, StepError, StepResult

if TYPE_CHECKING:
    from executors.contract import Executor
    from planner.documents import Artifact
    from planner.documents.events import ErrorClass


class Stopped(BaseException):
    """Somebody asked this process to stop."""


def main(arguments: list[str]) -> int:
    """Do an attempt and write its result; exit status 0 when it is done, 1 when it failed."""
    sign_in()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    folder = Path(arguments[0])
    attempt = AttemptFolder(folder, int(folder.name.rpartition("-")[2]))
    job = JobFile.model_validate_json(attempt.job_file.read_bytes())
    result = work(attempt, job)
    write_document(attempt.result_file, result)
    record(job, result)
    return 0 if result.status == "done" else 1


def work(attempt: AttemptFolder, job: JobFile) -> StepResult:
    """Do an attempt; every failure becomes part of the result."""
    started = time.monotonic()
    executor: Executor | None = None
    outcome, artifacts, error = Outcome(), {}, None
    try:
        executor = make_executor(load_target(job.target))
        outcome = _perform(executor, attempt, job)
        artifacts = _collect(executor, attempt, job)
    except BaseException as problem:  # noqa: BLE001 - whatever went wrong is told by the result, not by a traceback
        # The traceback is for who looks into the log; who reads the result gets one sentence.
        traceback.print_exc()
        error = explain(problem, executor, attempt)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # it has ended; let it say how
    remove(attempt.out)
    return StepResult(
        address=job.address,
        executor=job.executor,
        version=job.version,
        attempt=job.attempt,
        action_key=job.action_key,
        status="done" if error is None else "failed",
        metrics=dict(outcome.metrics),
        artifacts=artifacts,
        notes=dict(outcome.notes),
        params=job.params,
        cost=Cost(
            wall_s=round(time.monotonic() - started, 3),
            cpu_s=round(cpu_s(), 3),
            peak_memory_bytes=peak_memory_bytes(),
            device_peak_bytes=outcome.device_peak_bytes,
            tokens=outcome.tokens,
        ),
        error=error,
    )


def explain(error: BaseException, executor: Executor | None, attempt: AttemptFolder) -> StepError:
    """An error as the class that the retry ladder knows, with one sentence for people."""
    if isinstance(error, Stopped):
        return StepError(cls="preempted", message="The step was asked to stop.", fix="Run the same command.")
    if is_disk_full(error):
        finding = disk_full(attempt.folder)
        return StepError(cls="infrastructure", message=finding.message, fix=finding.fix)
    if isinstance(error, AdaptError):
        message = " ".join(finding.message for finding in error.findings)
        fix = " ".join(dict.fromkeys(finding.fix for finding in error.findings if finding.fix))
        return StepError(cls=_classify(error, executor), message=message, fix=fix)
    said = str(error).strip().splitlines()
    message = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    return StepError(cls=_classify(error, executor), message=message, fix="The log has the details.")


def _perform(executor: Executor, attempt: AttemptFolder, job: JobFile) -> Outcome:
    if executor.version != job.version:
        _fail(f"The executor `{job.executor}` is version {executor.version}, the step needs {job.version}.")
    remove(attempt.out)
    attempt.out.mkdir(parents=True)
    checkpoints = Path(job.checkpoints)
    checkpoints.mkdir(parents=True, exist_ok=True)
    with Reporter(attempt.events, job.address, job.attempt) as reporter:
        outcome = executor.perform(
            Job(
                address=job.address,
                # Strict JSON mode, as the plan was checked: a list may stand for a tuple, "5" not for 5.
                params=executor.params.model_validate_json(json.dumps(job.params)),
                inputs={name: at if at.startswith("hub:") else Path(at) for name, at in job.inputs.items()},
                out=attempt.out,
                checkpoints=checkpoints,
                cache=Path(job.cache),
                report=reporter.report,
            )
        )
    for name, measured in outcome.metrics.items():
        if not math.isfinite(measured.value):
            _fail(f"The metric {name} is {measured.value}, which is not a number to go on with.")
    return outcome


def _collect(executor: Executor, attempt: AttemptFolder, job: JobFile) -> dict[str, Artifact]:
    """Move what the executor left into the store."""
    missing = [name for name in job.outputs if not (attempt.out / name).exists()]
    if missing:
        _fail(f"The executor `{job.executor}` did not leave its output {', '.join(missing)}.")
    store = Store(Path(job.store))
    return {name: store.put(attempt.out / name, executor.outputs.get(name, "file")) for name in sorted(job.outputs)}


def _classify(error: BaseException, executor: Executor | None) -> ErrorClass:
    if isinstance(error, MemoryError):
        return "oom"
    if executor is None:
        return "config"
    try:
        return executor.classify(error)
    except Exception:  # noqa: BLE001 - a classifier that fails is a bug like any other
        traceback.print_exc()
        return "bug"


def _fail(message: str) -> NoReturn:
    raise RunError([Finding(code="RUN170", severity="error", message=message)])


def _stop(number: int, _frame: Any) -> NoReturn:
    raise Stopped(number)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
