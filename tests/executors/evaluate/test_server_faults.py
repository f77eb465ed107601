"""Whatever a server does wrong costs at most its own case, and one that answers nothing ends the step early."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import pytest

from executors.errors import classify
from executors.evaluate import Evaluate
from planner.documents import AdaptError
from tests.executors.evaluate.served_jobs import KEY, RIGHT, job, records, right
from tests.executors.evaluate.server import Body, Reply, chat_server
from tests.executors.tiny import tiny_rows

if TYPE_CHECKING:
    from pathlib import Path


pytestmark = pytest.mark.usefixtures("hasty")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


GONE = 99
# Fault, how often it happens to one question, requests for that question, whether it is answered, what its record says.
FAULTS: list[tuple[str, Reply, int, int, bool, str]] = [
    ("time-out, then fine", Reply(wait_s=1.2), 1, 2, True, ""),
    ("time-out for ever", Reply(wait_s=1.2), GONE, 3, False, "no reply within 0.5 s"),
    ("429 with Retry-After, then fine", Reply(429, "{}", headers={"Retry-After": "0.3"}), 1, 2, True, ""),
    ("429 for ever", Reply(429, '{"error": {"message": "slow down"}}'), GONE, 3, False, "HTTP 429: slow down"),
    ("500, then fine", Reply(500, "oops"), 2, 3, True, ""),
    ("500 for ever", Reply(500, "oops"), GONE, 3, False, "HTTP 500: oops"),
    ("503 with an empty body", Reply(503, ""), GONE, 3, False, "HTTP 503: an empty body"),
    ("garbage, then fine", Reply(content="{{{"), 1, 2, True, ""),
    ("garbage for ever", Reply(content="{{{"), GONE, 3, False, "not JSON (application/json): {{{"),
    ("a page of HTML", Reply(content="<html>hi</html>", kind="text/html"), GONE, 3, False, "not JSON (text/html)"),
    ("an empty body", Reply(content=""), GONE, 3, False, "not JSON (application/json): an empty body"),
    ("a list", Reply(content="[1]"), GONE, 3, False, "no object"),
    ("no choices", Reply(content='{"choices": []}'), GONE, 3, False, "no choices"),
    ("no text", Reply(content='{"choices": [{"message": {"content": null}}]}'), GONE, 3, False, "no text"),
    ("choices of another type", Reply(content='{"choices": "none"}'), GONE, 3, False, "no choices"),
    ("an error with status 200", Reply(content='{"error": {"message": "busy"}}'), GONE, 3, False, "busy"),
    ("a reply cut in the middle, then fine", Reply(cut=True), 1, 2, True, ""),
    ("too long for the model", Reply(400, '{"error": {"message": "context length"}}'), GONE, 1, False, "HTTP 400"),
    ("half a character", Reply(content='{"choices": [{"message": {"content": "\\ud83d"}}]}'), GONE, 1, True, ""),
]


def patience(fault: Reply) -> dict[str, float]:
    """How long a reply is waited for: not long where that is the fault, and as long as a busy machine takes else."""
    return {"timeout_s": 0.5} if fault.wait_s else {}


@pytest.mark.parametrize(
    ("fault", "times", "requests", "answered", "error"), [f[1:] for f in FAULTS], ids=[f[0] for f in FAULTS]
)
def test_a_fault_costs_at_most_its_own_case(
    tmp_path: Path, fault: Reply, times: int, requests: int, answered: bool, error: str
) -> None:
    poor = tiny_rows(6)[2]["prompt"]

    def answer(body: Body, before: int) -> Reply:
        return fault if body["messages"][-1]["content"] == poor and before < times else right(body)

    with chat_server(answer) as server:
        work = job(tmp_path, server.url, endpoint=patience(fault))
        outcome = Evaluate().perform(work)
    found = records(work)
    assert server.asked == {prompt: requests if prompt == poor else 1 for prompt in list(RIGHT)[:6]}
    assert outcome.metrics["failed_answers"].value == outcome.notes["failed_answers"] == (not answered)
    assert all(record["scores"]["json_exact"] for at, record in enumerate(found) if at != 2)
    assert error in found[2].get("error", "")
    if not answered:
        assert found[2]["prediction"] == ""
        assert found[2]["scores"]["json_exact"] is False
        assert error in str(outcome.notes["failures"])


def test_a_pause_that_the_server_asks_for_is_kept(tmp_path: Path) -> None:
    def answer(body: Body, before: int) -> Reply:
        return right(body) if before else Reply(429, "{}", headers={"Retry-After": "0.4"})

    with chat_server(answer) as server:
        Evaluate().perform(job(tmp_path, server.url, rows=1))
    assert server.times[1] - server.times[0] >= 0.4


# What the server says to everybody: the class of the error, words of its sentence, the most requests that it costs.
ENDS: list[tuple[str, Reply, str, str, int]] = [
    (
        "a wrong key",
        Reply(401, json.dumps({"error": {"message": f"no such key {KEY}"}})),
        "config",
        "refuses the key",
        20,
    ),
    ("no right", Reply(403, "{}"), "config", "refuses the key", 20),
    ("an unknown model", Reply(404, '{"error": {"message": "no m"}}'), "config", "does not know the address", 20),
    ("every request refused", Reply(400, '{"error": {"message": "bad"}}'), "config", "failed 20 times in a row", 25),
    ("500 for all", Reply(500, "oops"), "infrastructure", "failed 20 times in a row", 80),
]


@pytest.mark.parametrize(("reply", "cls", "words", "most"), [end[1:] for end in ENDS], ids=[end[0] for end in ENDS])
def test_a_server_that_answers_nothing_ends_the_step_early_in_one_sentence(
    tmp_path: Path, reply: Reply, cls: str, words: str, most: int
) -> None:
    with chat_server(lambda body, before: reply) as server, pytest.raises(AdaptError, match=words) as raised:
        Evaluate().perform(job(tmp_path, server.url, rows=40))
    assert classify(raised.value) == cls
    assert len(raised.value.findings) == 1
    assert len(server.bodies) <= most
    assert KEY not in str(raised.value)


def test_a_server_that_is_not_there_ends_the_step_early(tmp_path: Path) -> None:
    with pytest.raises(AdaptError, match="cannot be reached") as raised:
        Evaluate().perform(job(tmp_path, f"http://127.0.0.1:{free_port()}/v1", rows=40))
    assert classify(raised.value) == "infrastructure"


def test_a_server_that_dies_ends_the_step_and_its_answers_are_kept(tmp_path: Path) -> None:
    alive = set(list(RIGHT)[:20])

    def answer(body: Body, before: int) -> Reply:
        return right(body) if body["messages"][-1]["content"] in alive else Reply(502, "gone")

    with chat_server(answer) as server:
        work = job(tmp_path, server.url, rows=40)
        with pytest.raises(AdaptError, match="failed 20 times in a row"):
            Evaluate().perform(work)
        alive |= set(RIGHT)
        outcome = Evaluate().perform(work)
        assert outcome.notes["resumed"] == 20
        assert outcome.metrics["json_exact"].value == 1
        assert all(server.asked[prompt] == 1 for prompt in list(RIGHT)[:20])
