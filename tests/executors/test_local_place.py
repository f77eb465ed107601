from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from executors.places import LocalPlace
from executors.places.environment import usable_cores, worker_environment

if TYPE_CHECKING:
    from pathlib import Path

    from executors.places import Process

SIGN_IN = "from executors.places.local import sign_in; sign_in(); import sys, time, subprocess, os, signal\n"
SLEEP = SIGN_IN + "print('up', flush=True); time.sleep(60)"
DEAF = SIGN_IN + "signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(60)"
HELPER = SIGN_IN + "subprocess.Popen(['sleep', '60']); print('up', flush=True); time.sleep(60)"
START = """
import sys, pathlib, os, signal
from executors.places import LocalPlace
folder = pathlib.Path(sys.argv[1])
LocalPlace(folder).submit([sys.executable, "-c", sys.argv[2]], "tag", environment={}, log=folder / "log")
os.kill(os.getpid(), signal.SIGKILL)
"""


def submit(place: LocalPlace, code: str, tag: str = "tag") -> Process:
    place.folder.mkdir(exist_ok=True)
    return place.submit([sys.executable, "-c", code], tag, environment={"GIVEN": "yes"}, log=place.folder / "log")


def wait(place: LocalPlace, process: Process) -> int:
    while (status := place.poll(process)) is None:
        time.sleep(0.005)
    return status


def wait_for_text(path: Path, text: str) -> None:
    while not path.exists() or text not in path.read_text():
        time.sleep(0.005)


def test_a_process_runs_and_its_status_and_output_are_kept(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path / "place")
    code = "import os, sys; print(os.environ['GIVEN']); print('bad', file=sys.stderr); sys.exit(3)"
    assert wait(place, submit(place, code)) == 3
    assert sorted((tmp_path / "place/log").read_text().split()) == ["bad", "yes"]
    assert place.find("tag") is None
    assert [item.name for item in place.folder.iterdir()] == ["log"]


def test_a_process_is_found_again_after_its_runner_was_killed(tmp_path: Path) -> None:
    for _ in range(3):
        runner = subprocess.run([sys.executable, "-c", START, str(tmp_path), SLEEP], check=False)
        assert runner.returncode == -signal.SIGKILL
        place = LocalPlace(tmp_path)
        process = place.find("tag")
        assert process is not None
        assert place.find("another") is None
        assert place.poll(process) is None
        place.cancel(process, 5.0)
        assert place.find("tag") is None


def test_a_process_that_does_not_listen_is_forced(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    process = submit(place, DEAF)
    wait_for_text(tmp_path / "log", "up")
    started = time.monotonic()
    place.cancel(process, 0.2)
    assert 0.2 <= time.monotonic() - started < 5
    assert place.find("tag") is None


@pytest.mark.parametrize("kill", [False, True])
def test_helpers_end_with_their_process_and_do_not_stand_for_it(tmp_path: Path, *, kill: bool) -> None:
    place = LocalPlace(tmp_path)
    process = submit(place, HELPER)
    wait_for_text(tmp_path / "log", "up")
    os.kill(int(process.id), signal.SIGKILL if kill else signal.SIGTERM)
    assert wait(place, process) < 0
    assert place.find("tag") is None
    deadline = time.monotonic() + 5
    while _group_lives(int(process.id)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not _group_lives(int(process.id))


def _group_lives(group: int) -> bool:
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, ProcessLookupError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                return True
    return False


def test_the_number_of_another_process_is_not_mistaken_for_ours(tmp_path: Path) -> None:
    place = LocalPlace(tmp_path)
    process = submit(place, "pass")
    wait(place, process)
    place._record("tag").write_text(str(os.getpid()))  # as if the number had been given to somebody else
    assert place.find("tag") is None


def test_the_environment_follows_the_cores_and_leaves_what_the_user_set() -> None:
    made = worker_environment({}, offline=False)
    assert made["OMP_NUM_THREADS"] == made["MKL_NUM_THREADS"] == str(usable_cores())
    assert made["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "HF_HUB_OFFLINE" not in made
    user = {"OMP_NUM_THREADS": "1", "TRANSFORMERS_VERBOSITY": "info"}
    made = worker_environment(user, offline=True)
    assert made["MKL_NUM_THREADS"] == "1"
    assert made["HF_HUB_OFFLINE"] == "1"
    assert not user.keys() & made.keys()
