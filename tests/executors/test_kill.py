"""What is killed anywhere goes on from there: nothing is lost, and nothing is done twice but the unfinished piece."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pytest

from executors.runner import run_plan
from executors.state import State
from executors.status import read_status
from planner.documents import LockedError
from tests.executors.fakes import REGISTRY
from tests.executors.plans import make_plan, save, write_step

if TYPE_CHECKING:
    from pathlib import Path

    from executors.report import RunReport
    from planner.documents import Plan, Step

UNITS = 20
KILLS = 5
ADDRESSES = ("a/one", "b/two", "c/three")


def slow(address: str, effects: Path, reads: tuple[str, ...] = (), units: int = UNITS, unit_s: float = 0.01) -> Step:
    params = {"text": address, "units": units, "unit_s": unit_s, "effects": str(effects)}
    return write_step(address, reads, params=params)


def three_steps(folder: Path) -> Plan:
    folder.mkdir(exist_ok=True)
    effects = folder / "effects"
    first, second, third = ADDRESSES
    return make_plan(slow(first, effects), slow(second, effects, (first,)), slow(third, effects, (first, second)))


def start(plan: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.executors.engine_process", str(plan)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


def workers(folder: Path) -> list[int]:
    """Process ids of the workers of a state folder."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if "executors.worker" in (words := process.info["cmdline"] or []) and words[-1].startswith(str(folder))
    ]


def kill(pids: list[int]) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def wait_for_effects(folder: Path, lines: int) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if (folder / "effects").exists() and len((folder / "effects").read_text().splitlines()) >= lines:
            return
        time.sleep(0.002)
    pytest.fail("the step did no work")


def artifacts(report: RunReport) -> dict[str, str]:
    return {step.address: step.artifacts["text"].digest for step in report.steps}


def work_done(folder: Path) -> Counter[str]:
    return Counter((folder / "effects").read_text().splitlines())


@pytest.mark.parametrize("victim", ["runner", "worker", "both"])
def test_kills_at_random_moments_change_nothing(tmp_path: Path, victim: str) -> None:
    undisturbed = run_plan(three_steps(tmp_path / "calm"), tmp_path / "calm", registry=REGISTRY)
    # The text that is written does not hold the folder's name, so both must leave the same bytes.
    folder = tmp_path / "killed"
    plan = save(three_steps(folder), folder)
    chance = random.Random(victim)  # noqa: S311 - moments, not secrets
    for _ in range(KILLS):
        process = start(plan)
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.uniform(0.2, 1.4))
        if victim != "worker":
            kill([process.pid])
        if victim != "runner":
            kill(workers(folder))
        code, _, err = end(process)
        assert err == ""
        assert code in {0, 1, -signal.SIGKILL}
    report = run_plan(plan, registry=REGISTRY)
    assert artifacts(report) == artifacts(undisturbed)
    done = work_done(folder)
    assert done.keys() == {f"{address} {unit}" for address in ADDRESSES for unit in range(UNITS)}
    assert sum(done.values()) <= len(done) + KILLS, "only the unfinished piece is done twice"
    assert workers(folder) == []
    assert not list((folder / ".adapt/checkpoints").iterdir())
    assert {path.name for path in (folder / ".adapt/store/sha256").iterdir()} == {
        path.name for path in (tmp_path / "calm/.adapt/store/sha256").iterdir()
    }


def test_a_worker_that_lives_on_is_adopted_and_does_nothing_twice(tmp_path: Path) -> None:
    plan = save(make_plan(slow("a/one", tmp_path / "effects", units=40, unit_s=0.02)), tmp_path)
    process = start(plan)
    wait_for_effects(tmp_path, 3)
    kill([process.pid])
    end(process)
    assert len(workers(tmp_path)) == 1
    (standing,) = read_status(State(tmp_path / ".adapt"))
    assert standing.report.status == "interrupted"
    kinds: list[str] = []
    report = run_plan(plan, registry=REGISTRY, on_event=lambda event: kinds.append(event.kind))
    assert "step-adopted" in kinds
    assert "step-started" not in kinds
    assert report.steps[0].attempt == 1
    assert set(work_done(tmp_path).values()) == {1}
    assert len(work_done(tmp_path)) == 40


def test_a_result_that_nobody_recorded_is_found(tmp_path: Path) -> None:
    plan = save(make_plan(slow("a/one", tmp_path / "effects")), tmp_path)
    process = start(plan)
    wait_for_effects(tmp_path, 1)
    kill([process.pid])
    end(process)
    while workers(tmp_path):
        time.sleep(0.01)
    report = run_plan(plan, registry=REGISTRY)
    assert report.steps[0].status == "cached"
    assert set(work_done(tmp_path).values()) == {1}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_worker_and_the_same_command_goes_on(tmp_path: Path, number: signal.Signals) -> None:
    plan = save(make_plan(slow("a/one", tmp_path / "effects", units=30, unit_s=0.02)), tmp_path)
    process = start(plan)
    wait_for_effects(tmp_path, 3)
    process.send_signal(number)
    code, out, err = end(process)
    assert (code, err) == (130, "")
    assert "Interrupted; the same command goes on from here." in out
    assert workers(tmp_path) == []
    (standing,) = read_status(State(tmp_path / ".adapt"))
    assert standing.report.status == "interrupted"
    report = run_plan(plan, registry=REGISTRY)
    assert report.status == "done"
    first = report.steps[0].notes["first_unit"]
    assert isinstance(first, int)
    assert first >= 2
    assert sum(work_done(tmp_path).values()) <= 31


def test_a_second_run_of_the_folder_is_told_who_holds_it(tmp_path: Path) -> None:
    plan = save(make_plan(slow("a/one", tmp_path / "effects", units=100, unit_s=0.02)), tmp_path)
    process = start(plan)
    wait_for_effects(tmp_path, 1)
    with pytest.raises(LockedError, match=f"process {process.pid} "):
        run_plan(plan, registry=REGISTRY)
    (standing,) = read_status(State(tmp_path / ".adapt"))
    assert standing.report.status == "running"
    assert standing.report.steps[0].status == "running"
    while (standing := read_status(State(tmp_path / ".adapt"))[0]).progress is None:
        time.sleep(0.01)
    assert standing.progress.total == 100
    process.send_signal(signal.SIGINT)
    assert end(process)[0] == 130


def test_another_plan_stops_the_worker_that_lost_its_runner(tmp_path: Path) -> None:
    process = start(save(make_plan(slow("a/one", tmp_path / "effects", units=500, unit_s=0.02)), tmp_path))
    wait_for_effects(tmp_path, 1)
    kill([process.pid])
    end(process)
    said: list[str] = []
    report = run_plan(
        make_plan(write_step("b/two")), tmp_path, registry=REGISTRY, on_event=lambda e: said.append(e.message)
    )
    assert report.status == "done"
    assert any("Stopped a/one of run" in message for message in said)
    assert workers(tmp_path) == []


def test_a_worker_killed_between_store_and_result_leaves_no_half_artifact(tmp_path: Path) -> None:
    report = run_plan(make_plan(write_step("a/one")), tmp_path, registry=REGISTRY)
    attempt = tmp_path / ".adapt/runs" / report.run / "steps/a__one/attempt-1"
    (attempt / "result.json").unlink()
    for action in (tmp_path / ".adapt/actions").iterdir():
        action.unlink()
    again = run_plan(make_plan(write_step("a/one")), tmp_path, registry=REGISTRY)
    assert (again.steps[0].status, again.steps[0].attempt) == ("done", 2)
    assert artifacts(again) == artifacts(report)
    assert json.loads((attempt.parent / "attempt-2/result.json").read_text())["status"] == "done"
