"""Who killed a worker is said as far as the system tells, and lack of memory is told of other deaths."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from executors import vanished
from executors.attempt import write_document
from executors.launch import cause
from executors.vanished import failed
from executors.vanished import vanished as said_of
from planner.documents import StepError
from tests.executors.test_worker import attempt_at

if TYPE_CHECKING:
    from pathlib import Path

    from executors.attempt import AttemptFolder, JobFile


def job_at(folder: Path) -> tuple[AttemptFolder, JobFile]:
    return attempt_at(folder, processes=2)


@pytest.mark.parametrize("status", [-9, 137])
@pytest.mark.parametrize(
    ("kills", "peak", "cls", "message"),
    [
        (3, 0, "oom", "The system killed the step's process: no memory was left."),
        (2, 6 * 10**9, "oom", "The step's process was killed, probably for lack of memory: it held 6.0 GB of 8.0 GB."),
        (
            None,
            6 * 10**9,
            "oom",
            "The step's process was killed, probably for lack of memory: it held 6.0 GB of 8.0 GB.",
        ),
        (2, 10**9, "infrastructure", "The step's process was killed by signal 9 and left no result."),
    ],
)
def test_a_kill_by_the_system_is_lack_of_memory(
    status: int, kills: int | None, peak: int, cls: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vanished, "memory_kills", lambda: kills)
    monkeypatch.setattr(vanished, "memory_limit_bytes", lambda: 8 * 10**9)
    result = said_of(job_at(tmp_path)[1], status, 1.0, kills_before=2, peak_memory_bytes=peak)
    assert result.error is not None
    assert (result.error.cls, result.error.message) == (cls, message)
    assert result.cost.peak_memory_bytes == peak


def test_of_several_the_first_to_fail_is_the_cause(tmp_path: Path) -> None:
    attempt, job = job_at(tmp_path)
    for rank, message in ((1, "out of memory"), (0, "Connection closed by peer")):
        write_document(attempt.failure_file(rank), failed(job, StepError(cls="oom", message=message), 1.0))
    found = cause(attempt, job, {0: 1, 1: 1}, 1.0, None)
    assert found.error is not None
    assert found.error.message == "out of memory"


def test_one_that_says_nothing_was_killed_and_is_the_cause(tmp_path: Path) -> None:
    attempt, job = job_at(tmp_path)
    write_document(attempt.failure_file(0), failed(job, StepError(cls="bug", message="Connection closed"), 1.0))
    found = cause(attempt, job, {0: 1, 1: -9}, 1.0, None)
    assert found.error is not None
    assert found.error.message == "The step's process was killed by signal 9 and left no result."
