"""The worker: one attempt at one step, in a process of its own: `python -m executors.worker ATTEMPT_FOLDER`.

torchrun starts the same command once for each device (`executors.launch`); of these the first alone writes.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from executors.attempt import AttemptFolder, JobFile, write_document
from executors.contract import Job, Outcome
from executors.errors import out_of_memory
from executors.files import disk_full, is_disk_full, remove
from executors.ledger import record
from executors.places.local import sign_in
from executors.registry import load_target, make_executor
from executors.reporter import Reporter
from executors.store import Store
from executors.usage import cpu_s, peak_memory_bytes
from executors.vanished import STOPPED
from planner.documents import AdaptError, Cost, Finding, RunError, StepError, StepResult

if TYPE_CHECKING:
    from executors.contract import Executor
    from planner.documents import Artifact
    from planner.documents.events import ErrorClass


_WATCH_S = 0.1


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
    # Only what was started for it is one of several: another launcher may have set the variable for all below it.
    rank = int(os.environ["RANK"]) if job.processes else 0
    if job.processes:
        _end_with_launcher()
    result = work(attempt, job, rank)
    if result.error is not None and job.processes:
        # The others fail because this one did: the launcher chooses the result.
        write_document(attempt.failure_file(rank), result)
    elif rank == 0:
        write_document(attempt.result_file, result)
    if rank == 0 or result.error is not None:
        record(job, result)
    status = 0 if result.status == "done" else 1
    if job.processes:
        # All is written: what libraries crash in while they are taken down would end the others before they are done.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status


def work(attempt: AttemptFolder, job: JobFile, rank: int = 0) -> StepResult:
    """Do an attempt; every failure becomes part of the result.

    Args:
        attempt: its folder.
        job: what is to be done.
        rank: number of this worker, where several do it together.
    """
    started = time.monotonic()
    executor: Executor | None = None
    outcome, artifacts, error = Outcome(), {}, None
    out = attempt.out if rank == 0 else attempt.folder / f"{attempt.out.name}-{rank}"
    try:
        executor = make_executor(load_target(job.target))
        outcome = _perform(executor, attempt, job, out, writes=rank == 0)
        if rank == 0:
            artifacts = _collect(executor, attempt, job)
    except BaseException as problem:  # noqa: BLE001 - whatever went wrong is told by the result, not by a traceback
        # The traceback is for who looks into the log; who reads the result gets one sentence.
        traceback.print_exc()
        error = explain(problem, executor, attempt)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)  # it has ended; let it say how
    remove(out)
    return StepResult(
        address=job.address,
        executor=job.executor,
        version=job.version,
        attempt=job.attempt,
        action_key=job.action_key,
        status="done" if error is None else "failed",
        metrics=dict(outcome.metrics),
        artifacts=artifacts,
        notes=dict(outcome.notes) | job.retries_told,
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
        return STOPPED
    if is_disk_full(error):
        finding = disk_full(attempt.folder)
        return StepError(cls="infrastructure", message=finding.message, fix=finding.fix)
    if isinstance(error, AdaptError):
        message = " ".join(finding.message for finding in error.findings)
        fix = " ".join(dict.fromkeys(finding.fix for finding in error.findings if finding.fix))
        return StepError(cls=_classify(error, executor), message=message, fix=fix)
    found, said = _classify(error, executor), str(error).strip().splitlines()
    message = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    if found == "oom":
        fix = "Free some, or plan again for less: shorter rows, fewer at once, a smaller model."
        return StepError(cls=found, message=out_of_memory(error), fix=fix)
    return StepError(cls=found, message=message, fix="The log has the details.")


def _perform(executor: Executor, attempt: AttemptFolder, job: JobFile, out: Path, *, writes: bool) -> Outcome:
    if executor.version != job.version:
        _fail(f"The executor `{job.executor}` is version {executor.version}, the step needs {job.version}.")
    remove(out)
    out.mkdir(parents=True)
    checkpoints = Path(job.checkpoints)
    checkpoints.mkdir(parents=True, exist_ok=True)
    with Reporter(attempt.events, job.address, job.attempt) as reporter:
        outcome = executor.perform(
            Job(
                address=job.address,
                # Strict JSON mode, as the plan was checked: a list may stand for a tuple, "5" not for 5.
                params=executor.params.model_validate_json(json.dumps(job.params)),
                inputs={name: at if at.startswith("hub:") else Path(at) for name, at in job.inputs.items()},
                out=out,
                checkpoints=checkpoints,
                cache=Path(job.cache),
                report=reporter.report if writes else lambda _: None,
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


def _end_with_launcher() -> None:
    """Die when the launcher has died: torchrun starts workers in sessions of their own, where no kill finds them."""
    launcher = os.getppid()

    def watch() -> None:
        while os.getppid() == launcher:
            time.sleep(_WATCH_S)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
