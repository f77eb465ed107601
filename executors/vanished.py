"""What is said of a worker that is gone and left no result: by whom it was killed, as far as the system tells."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from executors.usage import memory_kills, memory_limit_bytes
from planner.documents import Cost, StepError, StepResult

if TYPE_CHECKING:
    from executors.attempt import JobFile

# A shell or a container tells of a signal by this much above its number.
SHELL = 128
# A process that is killed while it holds this share of the memory was killed for it, unless the system says otherwise.
MOST_OF_MEMORY = 0.5
GB = 10**9
AGAIN = "Run the same command: it goes on from the newest checkpoint. The log may say more."
STOPPED = StepError(cls="preempted", message="The step was asked to stop.", fix="Run the same command.")


def vanished(
    job: JobFile, status: int, wall_s: float, *, kills_before: int | None, peak_memory_bytes: int = 0
) -> StepResult:
    """The result of a worker that could not write one.

    Args:
        job: what it was told.
        status: its exit status; negative for a signal.
        wall_s: how long it ran.
        kills_before: `memory_kills()` when it was started.
        peak_memory_bytes: the resident memory that it told of last.
    """
    if status in (-signal.SIGKILL, SHELL + signal.SIGKILL):
        error = _killed(kills_before, peak_memory_bytes)
    else:
        how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
        error = StepError(cls="infrastructure", message=f"The step's process {how} and left no result.", fix=AGAIN)
    return failed(job, error, wall_s, peak_memory_bytes)


def failed(job: JobFile, error: StepError, wall_s: float, peak_memory_bytes: int = 0) -> StepResult:
    """A result that somebody else than the worker writes."""
    return StepResult(
        address=job.address,
        executor=job.executor,
        version=job.version,
        attempt=job.attempt,
        action_key=job.action_key,
        status="failed",
        notes=job.retries_told,
        params=job.params,
        cost=Cost(wall_s=round(wall_s, 3), cpu_s=0.0, peak_memory_bytes=peak_memory_bytes),
        error=error,
    )


def _killed(kills_before: int | None, peak: int) -> StepError:
    kills, limit = memory_kills(), memory_limit_bytes()
    if kills is not None and kills_before is not None and kills > kills_before:
        return StepError(cls="oom", message="The system killed the step's process: no memory was left.")
    if peak >= MOST_OF_MEMORY * limit:
        held = f"it held {peak / GB:.1f} GB of {limit / GB:.1f} GB"
        return StepError(cls="oom", message=f"The step's process was killed, probably for lack of memory: {held}.")
    message = "The step's process was killed by signal 9 and left no result."
    return StepError(cls="infrastructure", message=message, fix=AGAIN)
