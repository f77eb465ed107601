from __future__ import annotations

import errno
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from executors.attempt import AttemptFolder, JobFile, write_document
from executors.contract import Outcome
from executors.reporter import Reporter
from executors.worker import work
from planner.documents import Event, InputError
from tests.executors.fakes import Write

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job


def attempt_at(folder: Path, **fields: Any) -> tuple[AttemptFolder, JobFile]:
    """An attempt's folder with its job."""
    attempt = AttemptFolder.of(folder / "steps/a__one", 1)
    given: dict[str, Any] = {
        "tag": "run/a/one/1",
        "address": "a/one",
        "attempt": 1,
        "executor": "write",
        "target": f"{Write.__module__}:Write",
        "version": "1",
        "action_key": "sha256:00",
        "params": {"text": "hello"},
        "inputs": {},
        "outputs": ("text",),
        "checkpoints": str(folder / "checkpoints"),
        "cache": str(folder / "cache"),
        "store": str(folder / "store"),
    }
    job = JobFile(**given | fields)
    write_document(attempt.job_file, job)
    return attempt, job


def start(attempt: AttemptFolder) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "executors.worker", str(attempt.folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Makes the executor `write` raise an error."""

    def with_error(error: BaseException) -> None:
        def perform(self: Write, job: Job) -> Outcome:
            raise error

        monkeypatch.setattr(Write, "perform", perform)

    return with_error


@pytest.fixture(autouse=True)
def _same_signals() -> Any:
    """The worker sets signal handlers; this process keeps its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(("processes", "status"), [(2, 0), (None, -signal.SIGSEGV)])
def test_one_of_several_that_crashes_after_its_work_does_not_end_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processes: int | None, status: int
) -> None:
    monkeypatch.setenv("RANK", "0")
    attempt, _ = attempt_at(tmp_path, params={"crash_at_exit": True}, processes=processes)
    with start(attempt) as process:
        process.communicate(timeout=60)
    result = attempt.result()
    assert result is not None
    assert (process.returncode, result.status) == (status, "done")


def test_the_same_command_works_without_a_runner(tmp_path: Path) -> None:
    attempt, _ = attempt_at(tmp_path)
    with start(attempt) as process:
        said, _ = process.communicate()
    result = attempt.result()
    assert (process.returncode, said) == (0, "")
    assert result is not None
    assert result.status == "done"
    assert result.artifacts["text"].kind == "file"
    assert result.cost.peak_memory_bytes > 10_000_000
    assert result.cost.cpu_s > 0
    assert not attempt.out.exists()


def test_a_worker_that_is_asked_to_stop_says_so(tmp_path: Path) -> None:
    attempt, _ = attempt_at(tmp_path, params={"units": 1000, "unit_s": 0.01})
    with start(attempt) as process:
        while not attempt.events.exists() or not attempt.events.read_bytes():
            time.sleep(0.01)
        process.terminate()
        said, _ = process.communicate()
    result = attempt.result()
    assert process.returncode == 1
    assert result is not None
    assert result.error is not None
    assert result.error.cls == "preempted"
    assert "Stopped" in said
    assert (tmp_path / "checkpoints/done").exists()


@pytest.mark.parametrize(
    ("error", "cls", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "infrastructure", "The disk is full:"),
        (
            ValueError("Error while serializing: I/O error: No space left on device (os error 28)"),
            "infrastructure",
            "The disk is full:",
        ),
        (MemoryError(), "oom", "Memory ran out."),
        (InputError.one("DATA001", "The data is empty.", "Give some."), "bug", "The data is empty."),
        (KeyError("x"), "bug", "KeyError: 'x'"),
        (SystemExit(3), "bug", "SystemExit: 3"),
    ],
)
def test_an_error_is_one_sentence_in_its_class(
    tmp_path: Path, fails: Any, error: BaseException, cls: str, message: str
) -> None:
    fails(error)
    found = work(*attempt_at(tmp_path)).error
    assert found is not None
    assert found.cls == cls
    assert found.message.startswith(message)
    assert "\n" not in found.message


def test_what_does_not_load_or_has_another_version_fails(tmp_path: Path) -> None:
    for fields, message in (({"target": "none:None"}, "No module named 'none'"), ({"version": "2"}, "needs 2")):
        found = work(*attempt_at(tmp_path, **fields)).error
        assert found is not None
        assert message in found.message


def test_the_result_tells_the_full_disk_of_a_real_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = "/dev/full"
    attempt, job = attempt_at(tmp_path)

    def perform(self: Write, job: Job) -> Outcome:
        with open(full, "w") as stream:  # noqa: PTH123 - a device
            stream.write("x")
        return Outcome()

    monkeypatch.setattr(Write, "perform", perform)
    found = work(attempt, job).error
    assert found is not None
    assert found.message.startswith("The disk is full: ")
    assert "run the same command" in found.fix


def test_progress_that_comes_too_fast_is_left_out_and_its_end_kept(tmp_path: Path) -> None:
    with Reporter(tmp_path / "events.jsonl", "a/one", 1) as reporter:
        for done in range(1000):
            reporter.report(Event(kind="progress", time=0.0, done=done + 1, total=1000))
        reporter.report(Event(kind="log", time=0.0, message="said"))
    lines = [Event.model_validate_json(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert len(lines) < 100
    assert [line.done for line in lines][-2:] == [1000, None]
    assert all(line.step == "a/one" and line.peak_memory_bytes for line in lines)
