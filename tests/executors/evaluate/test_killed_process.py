"""A process that answers is killed by the system, in the middle; the next one asks for nothing that was answered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from executors.evaluate import Evaluate
from tests.executors.evaluate.test_evaluate import job, records

if TYPE_CHECKING:
    from pathlib import Path

ROWS = 24
# Every question that a model is asked, written down before it is asked.
ANSWERING = """
import json, os, sys
from pathlib import Path
from executors.evaluate import Evaluate
from executors.evaluate.local import Local
from tests.executors.evaluate.test_evaluate import job

folder, model = Path(sys.argv[1]), Path(sys.argv[2])
answers = Local.answers

def watched(self, questions, done=()):
    with (folder / "asked").open("a") as stream:
        stream.write(json.dumps([each.id for at, each in enumerate(questions) if at not in done]) + "\\n")
        stream.flush()
        os.fsync(stream.fileno())
    return answers(self, questions, done)

Local.answers = watched
work, _ = job(folder, model, rows=int(sys.argv[3]))
Evaluate().perform(work)
"""


def lines(path: Path) -> list[str]:
    content = path.read_bytes() if path.exists() else b""
    return content[: content.rfind(b"\n") + 1].decode().splitlines()


@pytest.mark.slow
def test_a_killed_process_is_gone_on_with_and_no_example_is_generated_twice(tmp_path: Path, tiny_model: Path) -> None:
    made = tmp_path / "checkpoints/predictions.jsonl"
    command = [sys.executable, "-c", ANSWERING, str(tmp_path), str(tiny_model), str(ROWS)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while len(lines(made)) < ROWS // 3 and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.0005)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    kept = [json.loads(line)["id"] for line in lines(made)]
    assert ROWS // 3 <= len(kept) < ROWS
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    first, second = (json.loads(line) for line in lines(tmp_path / "asked"))
    assert len(first) == ROWS
    assert set(second) == set(first) - set(kept), "nothing that is on disk is asked again, and all else is"
    finished = [json.loads(line)["id"] for line in lines(made)]
    assert finished[: len(kept)] == kept
    assert len(finished) == len(set(finished)) == ROWS
    # The answers are those of a run that nothing disturbed.
    predictions = [record["prediction"] for record in records(job(tmp_path, tiny_model, rows=ROWS)[0])]
    calm = tmp_path / "calm"
    calm.mkdir()
    work, _ = job(calm, tiny_model, rows=ROWS)
    Evaluate().perform(work)
    assert [record["prediction"] for record in records(work)] == predictions
