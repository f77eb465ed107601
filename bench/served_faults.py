"""What happens to an evaluation when the server of its model goes wrong: a table, made by a real HTTP server.

python bench/served_faults.py
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

sys.path.insert(0, str(Path(__file__).parents[1]))

from executors.errors import classify
from executors.evaluate import Evaluate
from planner.documents import AdaptError
from tests.executors.evaluate.served_jobs import KEY, job, records, right
from tests.executors.evaluate.server import Body, Reply, chat_server
from tests.executors.evaluate.test_server_faults import ENDS, FAULTS, patience
from tests.executors.tiny import tiny_rows

ROWS = 6


def one_case(fault: Reply, times: int, folder: Path) -> str:
    """A fault that one of six questions meets, so many times."""
    poor = tiny_rows(ROWS)[2]["prompt"]

    def answer(body: Body, before: int) -> Reply:
        return fault if body["messages"][-1]["content"] == poor and before < times else right(body)

    with chat_server(answer) as server:
        work = job(folder, server.url, rows=ROWS, endpoint=patience(fault))
        outcome = Evaluate().perform(work)
    case = records(work)[2]
    right_ones = round(outcome.metrics["json_exact"].value * ROWS)
    what = f"marked failed: {case['error']}" if "error" in case else "answered"
    return f"{server.asked[poor]} requests, {what}; {right_ones} of {ROWS} right"


def all_cases(reply: Reply, folder: Path) -> str:
    """A fault that every question meets."""
    with chat_server(lambda _body, _before: reply) as server:
        try:
            Evaluate().perform(job(folder, server.url, rows=40))
        except AdaptError as error:
            return f"{len(server.bodies)} requests, the step ends ({classify(error)}): {error.findings[0].message}"
    return "done"


def main() -> None:
    """Print the table."""
    os.environ["TEST_KEY"] = KEY
    for name, reply, times, *_ in FAULTS:
        _print(f"one case: {name}", partial(one_case, reply, times))
    for name, reply, *_ in ENDS:
        _print(f"all cases: {name}", partial(all_cases, reply))


def _print(name: str, work: Callable[[Path], str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        started = time.monotonic()
        said = work(Path(folder))
        print(f"| {name} | {said} | {time.monotonic() - started:.1f} s |")


if __name__ == "__main__":
    main()
