"""A plan whose model a server answers for, from the spec to the report: killed, gone on with, and without its key."""

from __future__ import annotations

import json
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from executors.runner import run_plan
from planner.documents import pretty_json
from planner.planning import plan
from tests.executors.evaluate.server import Body, Reply, chat_server
from tests.executors.tiny import TINY_SCHEMA, tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

KEY = "sk-very-secret-0123456789"
ROWS = 24
CONCURRENCY = 3
RIGHT = {row["prompt"]: row["completion"] for row in tiny_rows(ROWS)}


def spec(url: str) -> dict[str, Any]:
    endpoint = {"url": url, "api_key_env": "SERVED_KEY", "concurrency": CONCURRENCY, "timeout_s": 5.0}
    return {
        "name": "served",
        "task": {
            "description": "Turn requests into commands.",
            "kind": "semantic-parsing",
            "output": {"format": "json", "schema": TINY_SCHEMA},
        },
        "data": {"test": "test.jsonl"},
        "models": [{"id": "lab/model", "endpoint": endpoint}, {"id": "judge", "role": "judge", "endpoint": endpoint}],
        "hardware": {"devices": [{"name": "cpu", "memory_gb": 8}]},
        "evaluation": {"metrics": ["json_exact"], "target": {"json_exact": 0.9}, "judge": {"model": "judge"}},
    }


@pytest.mark.slow
def test_a_killed_worker_is_gone_on_with_and_asks_for_nothing_that_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SERVED_KEY", KEY)
    write_rows(tmp_path / "test.jsonl", tiny_rows(ROWS))
    kills: list[int] = []

    def answer(body: Body, before: int) -> Reply:
        if body["model"] == "judge":
            return Reply(text='{"reason": "fine", "grade": 5}', wait_s=0.02)
        if not kills and len(server.bodies) >= 10:
            kills.append(kill_worker(tmp_path))
        return Reply(text=RIGHT[body["messages"][-1]["content"]], wait_s=0.02)

    with chat_server(answer) as server:
        document = plan(spec(server.url), folder=tmp_path)
        (tmp_path / "plan.json").write_text(pretty_json(document.to_json()), encoding="utf-8")
        first = run_plan(tmp_path / "plan.json")
        assert first.status == "failed"
        kept = made(tmp_path)
        assert 0 < len(kept) < ROWS
        second = run_plan(tmp_path / "plan.json")
        answered = [body for body in server.bodies if body["model"] == "lab/model"]
    assert second.status == "done"
    measured = next(step for step in second.steps if step.address == "evaluate/zero-shot")
    assert measured.metrics["json_exact"].value == measured.metrics["judge"].value == 1
    assert measured.notes["resumed"] == len(kept)
    # What was on its way when the worker was killed is all that is asked again.
    assert len(answered) <= ROWS + CONCURRENCY
    again = [prompt for prompt, count in server.asked.items() if count > 1]
    assert not {json.loads(line)["prediction"] for line in kept} & {RIGHT.get(prompt) for prompt in again}
    found = [path for path in tmp_path.rglob("*") if path.is_file() and KEY.encode() in path.read_bytes()]
    assert not found
    assert KEY not in document.model_dump_json() + second.model_dump_json()


def made(folder: Path) -> list[str]:
    [path] = folder.glob(".adapt/**/checkpoints/**/predictions.jsonl")
    return path.read_text(encoding="utf-8").splitlines()


def kill_worker(folder: Path) -> int:
    for process in psutil.process_iter(["cmdline"]):
        words = process.info["cmdline"] or []
        if "executors.worker" in words and words[-1].startswith(str(folder)):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
            return int(process.pid)
    return 0
