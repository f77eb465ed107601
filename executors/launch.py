"""Starts a worker once for each device, through torchrun: `python -m executors.launch ATTEMPT_FOLDER`.

The first worker that fails ends all. Workers say how they failed in files of their own; which of these tells the
cause, and not what followed from it, is decided here.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from executors.attempt import AttemptFolder, JobFile, read_document, write_document
from executors.files import remove
from executors.follow import Follower
from executors.places.local import sign_in
from executors.usage import memory_kills
from executors.vanished import STOPPED, failed, vanished
from planner.documents import StepResult

if TYPE_CHECKING:
    from collections.abc import Mapping


def main(arguments: list[str]) -> int:
    """Start the workers and wait; exit status 0 when the step is done, 1 when it failed."""
    sign_in()
    # torch is loaded after this process can be found.
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.run import parse_args, run

    folder = Path(arguments[0])
    attempt = AttemptFolder(folder, int(folder.name.rpartition("-")[2]))
    job = JobFile.model_validate_json(attempt.job_file.read_bytes())
    kills, started, stopped = memory_kills(), time.monotonic(), False
    statuses: dict[int, int] = {}
    command = [sys.executable, "-P", "-m", "executors.worker", str(folder)]
    try:
        run(parse_args(["--standalone", "--nproc-per-node", str(job.processes), "--no-python", *command]))
    except SignalException:
        stopped = True
    except ChildFailedError as error:
        statuses = {rank: failure.exitcode for rank, failure in error.failures.items()}
    for out in attempt.folder.glob(f"{attempt.out.name}*"):
        remove(out)
    result = attempt.result()
    if result is None:
        wall_s = time.monotonic() - started
        result = failed(job, STOPPED, wall_s) if stopped else cause(attempt, job, statuses, wall_s, kills)
        write_document(attempt.result_file, result)
    return 0 if result.status == "done" else 1


def cause(
    attempt: AttemptFolder, job: JobFile, statuses: Mapping[int, int], wall_s: float, kills_before: int | None
) -> StepResult:
    """The failure that the others followed from.

    A worker that is gone without a word was killed, and the others lost touch with it. Otherwise the first to say
    how it failed was the first to fail.

    Args:
        attempt: where workers say how they failed.
        job: what they were told.
        statuses: exit status of the workers that ended before any was stopped, by rank.
        wall_s: how long they ran.
        kills_before: `memory_kills()` when they were started.
    """
    said = {rank: attempt.failure_file(rank) for rank in range(job.processes or 1)}
    said = {rank: file for rank, file in said.items() if file.exists()}
    silent = [rank for rank in sorted(statuses) if rank not in said]
    if silent or not said:
        peak = max((event.peak_memory_bytes or 0 for event in Follower(attempt.events).new_events()), default=0)
        status = statuses[silent[0]] if silent else 1
        return vanished(job, status, wall_s, kills_before=kills_before, peak_memory_bytes=peak)
    first = min(said.values(), key=lambda file: file.stat().st_mtime_ns)
    return read_document(StepResult, first) or vanished(job, 1, wall_s, kills_before=kills_before)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
