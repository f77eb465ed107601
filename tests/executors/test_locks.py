from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from executors.locks import holder, locked
from planner.documents import LockedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HOLD = """
import sys, pathlib
from executors.locks import locked
with locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_holder_is_named_to_whoever_comes_second(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    with (
        pytest.raises(LockedError, match=f"in use by process {other.pid} on .* since ") as caught,
        locked(tmp_path / "lock"),
    ):
        pass
    assert caught.value.exit_code == 75
    who = holder(tmp_path / "lock")
    assert who is not None
    assert who["pid"] == other.pid


def test_the_lock_of_a_killed_process_is_taken_over(tmp_path: Path, other: subprocess.Popen[str]) -> None:
    other.kill()
    other.wait()
    assert holder(tmp_path / "lock") is None
    with locked(tmp_path / "lock"):
        who = holder(tmp_path / "lock")
        assert who is not None
        assert who["pid"] != other.pid


def test_a_lock_is_free_again_after_use(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path / "state" / "lock"):
            pass
    assert holder(tmp_path / "state" / "lock") is None
    assert holder(tmp_path / "none") is None
