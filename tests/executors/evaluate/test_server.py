"""A server's answers are scored with what they took; nothing is asked or paid twice, no key is written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job, Site
from executors.evaluate import Evaluate
from planner.documents import Input, Step
from tests.executors.evaluate.served_jobs import KEY, RIGHT, job, records, right
from tests.executors.evaluate.server import Body, Reply, chat_server
from tests.executors.tiny import tiny_rows

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Event

SITE = Site(device="cpu", device_memory_bytes=8 * 10**9, cores=2, disk_free_bytes=10**9)
pytestmark = pytest.mark.usefixtures("hasty")


def test_answers_are_scored_with_what_they_took(tmp_path: Path) -> None:
    prices = {"input_usd_per_million_tokens": 1.0, "output_usd_per_million_tokens": 10.0}
    with chat_server(right) as server:
        work = job(tmp_path, server.url, endpoint=prices)
        outcome = Evaluate().perform(work)
    assert outcome.metrics["json_exact"].value == 1
    assert outcome.metrics["failed_answers"].value == 0
    assert outcome.metrics["tokens_per_answer"].value == 1
    assert outcome.metrics["usd_per_answer"].value == pytest.approx((10 * 1 + 1 * 10) / 1e6)
    latency = outcome.metrics["latency_s"]
    assert latency.low is not None and 0 < latency.low <= latency.value
    assert [record["id"] for record in records(work)] == [f"tiny-{number}" for number in range(6)]
    assert all(record["tokens_in"] == 10 for record in records(work))
    [system, user] = server.bodies[0]["messages"]
    assert system == {"role": "system", "content": "Do as asked."}
    assert user["role"] == "user"
    assert (server.bodies[0]["temperature"], server.bodies[0]["max_tokens"]) == (0, 8)
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


def test_no_more_requests_are_open_than_the_endpoint_allows(tmp_path: Path) -> None:
    def slow(body: Body, before: int) -> Reply:
        return Reply(text=right(body).text, wait_s=0.05)

    with chat_server(slow) as server:
        Evaluate().perform(job(tmp_path, server.url, rows=20, endpoint={"concurrency": 4}))
    assert server.most_open == 4


def test_what_was_answered_before_is_not_asked_again_by_any_step(tmp_path: Path) -> None:
    with chat_server(right) as server:
        Evaluate().perform(job(tmp_path, server.url))
        other = tmp_path / "other"
        other.mkdir()
        again = job(other, server.url)
        again = Job(
            again.address, again.params, again.inputs, again.out, again.checkpoints, again.report, tmp_path / "cache"
        )
        outcome = Evaluate().perform(again)
        assert len(server.bodies) == 6
        assert outcome.notes["cached_answers"] == 6
        assert outcome.metrics["json_exact"].value == 1
        assert outcome.metrics["latency_s"].value > 0
        # Another length of answers is another question.
        longer = again.params.model_copy(update={"max_new_tokens": 9})
        Evaluate().perform(
            Job(again.address, longer, again.inputs, again.out, other / "new", again.report, tmp_path / "cache")
        )
        assert len(server.bodies) == 12


def test_a_killed_evaluation_goes_on_and_asks_nothing_twice(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(event: Event) -> None:
        if event.done and event.done >= 4:
            raise Killed

    with chat_server(right) as server:
        work = job(tmp_path, server.url, rows=12, endpoint={"concurrency": 1})
        with pytest.raises(Killed):
            Evaluate().perform(
                Job(work.address, work.params, work.inputs, work.out, work.checkpoints, kill, work.cache)
            )
        made = (work.checkpoints / "predictions.jsonl").read_bytes().count(b"\n")
        assert 4 <= made < 12
        outcome = Evaluate().perform(work)
        assert outcome.notes["resumed"] == made
        assert server.asked.keys() == set(list(RIGHT)[:12])
        # Only the request that was on its way when the kill came is asked again.
        assert server.asked.total() <= 12 + 1
    assert [record["id"] for record in records(work)] == [f"tiny-{number}" for number in range(12)]


def test_the_key_is_in_no_file_and_no_event(tmp_path: Path) -> None:
    said: list[Event] = []

    def echo(body: Body, before: int) -> Reply:
        if body["messages"][-1]["content"] == tiny_rows(1)[0]["prompt"]:
            return Reply(500, json.dumps({"error": {"message": f"bad key {KEY}"}}))
        return Reply(text=f"your key is {KEY}")

    with chat_server(echo) as server:
        work = job(tmp_path, server.url)
        work = Job(work.address, work.params, work.inputs, work.out, work.checkpoints, said.append, work.cache)
        outcome = Evaluate().perform(work)
    assert "bad key ***" in str(outcome.notes)
    assert KEY not in str(outcome) + str(said)
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"predictions", "predictions.jsonl", "answers.sqlite"} <= {path.name for path in written}
    assert not [path for path in written if KEY.encode() in path.read_bytes()]


def test_a_key_that_is_a_common_word_changes_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "lamp")
    with chat_server(right) as server:
        assert Evaluate().perform(job(tmp_path, server.url)).metrics["json_exact"].value == 1


def step(**changed: Any) -> Step:
    endpoint = {"url": "http://localhost:1/v1", "model": "m", "api_key_env": "TEST_KEY"}
    values: dict[str, Any] = {"metrics": ["exact_match"], "endpoint": endpoint, "judge": None} | changed
    inputs = {name: Input(pin="x") for name in ("prompt", "data")}
    return Step(address="evaluate/x", title="", executor="evaluate", version="1", inputs=inputs, params=values)


def test_a_step_that_cannot_ask_is_found_before_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def codes(one: Step) -> list[str]:
        return [finding.code for finding in Evaluate().check(one, SITE)]

    assert codes(step()) == []
    assert codes(step(endpoint=None)) == ["EVAL002"]
    assert codes(step(metrics=["judge"])) == ["EVAL016"]
    both = step()
    assert codes(both.model_copy(update={"inputs": {**both.inputs, "model": Input(pin="x")}})) == ["EVAL015"]
    monkeypatch.setenv("TEST_KEY", "sk-with\nline")
    [finding] = Evaluate().check(step(), SITE)
    assert finding.code == "EVAL014"
    assert "line" not in finding.message
    monkeypatch.delenv("TEST_KEY")
    assert codes(step()) == ["EVAL014"]
