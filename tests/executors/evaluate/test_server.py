"""A server's answers: every fault costs at most its own case, nothing is asked or paid twice, no key is written."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job, Site
from executors.errors import classify
from executors.evaluate import Evaluate, EvaluateParams
from executors.evaluate import server as backend
from executors.prompt.document import Example, make_prompt, write_prompt
from planner.documents import AdaptError, Input, Step
from tests.executors.evaluate.server import Body, Reply, chat_server
from tests.executors.tiny import TINY_SCHEMA, tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Event

SITE = Site(device="cpu", device_memory_bytes=8 * 10**9, cores=2, disk_free_bytes=10**9)
KEY = "sk-very-secret-0123456789"
RIGHT = {row["prompt"]: row["completion"] for row in tiny_rows(40)}


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses between tries that tests can wait for."""
    from openai import _base_client

    monkeypatch.setattr(_base_client, "INITIAL_RETRY_DELAY", 0.01)
    monkeypatch.setattr(backend, "FIRST_PAUSE_S", 0.01)
    monkeypatch.setenv("TEST_KEY", KEY)


def right(body: Body, _: int = 0) -> Reply:
    return Reply(text=RIGHT[body["messages"][-1]["content"]])


def job(folder: Path, url: str, *, rows: int = 6, inputs: dict[str, Path | str] | None = None, **changed: Any) -> Job:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    write_prompt(make_prompt("Do as asked."), folder / "prompt.json")
    given: dict[str, Path | str] = {
        "prompt": folder / "prompt.json",
        "data": write_rows(folder / "test.jsonl", tiny_rows(rows)),
    }
    endpoint = {"url": url, "model": "m", "api_key_env": "TEST_KEY", "timeout_s": 0.5, "max_retries": 2}
    endpoint |= {"concurrency": 3} | changed.pop("endpoint", {})
    params = {
        "metrics": ["json_exact"],
        "schema": TINY_SCHEMA,
        "labels": None,
        "format": "json",
        "max_new_tokens": 8,
        "batch_size": 1,
        "dtype": "fp32",
        "limit": None,
        "seed": 0,
        "endpoint": endpoint,
    }
    events: list[Event] = []
    settings = EvaluateParams.model_validate(params | changed)
    return Job(
        "evaluate/zero-shot",
        settings,
        given | (inputs or {}),
        out,
        folder / "checkpoints",
        events.append,
        folder / "cache",
    )


def records(work: Job) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work.out / "predictions").read_text(encoding="utf-8").splitlines()]


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


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
    assert latency.low is not None and 0 < latency.low <= latency.value < 0.5
    assert [record["id"] for record in records(work)] == [f"tiny-{number}" for number in range(6)]
    assert all(record["tokens_in"] == 10 for record in records(work))
    [system, user] = server.bodies[0]["messages"]
    assert system == {"role": "system", "content": "Do as asked."}
    assert user["role"] == "user"
    assert (server.bodies[0]["temperature"], server.bodies[0]["max_tokens"]) == (0, 8)
    assert server.headers[0]["authorization"] == f"Bearer {KEY}"


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
        work = job(tmp_path, server.url)
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
    assert 0.4 <= server.times[1] - server.times[0] < 0.8


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


# Form of the answers, decoding, and what is asked of the server.
FORMS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"decoding": "schema"}, {"response_format": {"type": "json_schema"}}),
    ({"decoding": "grammar", "schema": None}, {"response_format": {"type": "json_object"}}),
    (
        {"decoding": "pattern", "format": "text", "schema": None, "grammar": "[ab]+"},
        {"structured_outputs": {"regex": "[ab]+"}, "guided_regex": "[ab]+"},
    ),
    (
        {"decoding": "grammar", "format": "sql", "schema": None, "grammar": 'root ::= "a"'},
        {
            "structured_outputs": {"grammar": 'root ::= "a"'},
            "guided_grammar": 'root ::= "a"',
            "grammar": 'root ::= "a"',
        },
    ),
    (
        {"decoding": "labels", "format": "label", "labels": ["a", 'b"c'], "schema": None},
        {
            "guided_choice": ["a", 'b"c'],
            "structured_outputs": {"choice": ["a", 'b"c']},
            "grammar": 'root ::= "a" | "b\\"c"',
        },
    ),
]


@pytest.mark.parametrize(("changed", "wanted"), FORMS)
def test_constrained_decoding_is_passed_on(tmp_path: Path, changed: dict[str, Any], wanted: dict[str, Any]) -> None:
    with chat_server(right) as server:
        Evaluate().perform(job(tmp_path, server.url, rows=1, **{"metrics": ["exact_match"], **changed}))
    [body] = server.bodies
    for name, value in wanted.items():
        assert body[name] == value if name != "response_format" else body[name].items() >= value.items()
    if changed["decoding"] == "schema":
        assert body["response_format"]["json_schema"]["schema"] == TINY_SCHEMA


def test_a_server_that_takes_constrained_decoding_and_forgets_it_is_found_out(tmp_path: Path) -> None:
    said: list[Event] = []
    with chat_server(lambda body, before: Reply(text="free words") if before else right(body)) as server:
        for folder, notes in ((tmp_path / "held", 0), (tmp_path / "forgotten", 6)):
            folder.mkdir()
            work = job(folder, server.url, decoding="schema")
            work = Job(work.address, work.params, work.inputs, work.out, work.checkpoints, said.append, work.cache)
            outcome = Evaluate().perform(work)
            assert outcome.notes.get("outside_form", 0) == notes
    [told] = [event.message for event in said if event.kind == "log"]
    assert "does not keep to it: 6 answers" in told


# A parameter, what the server says against it, and what it is asked instead.
REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("response_format", "json_schema is not supported", {}),
    ("temperature", "Unsupported value: 'temperature' must be 1", {"seed": 0}),
    ("max_tokens", "Use 'max_completion_tokens' instead of 'max_tokens'", {"max_completion_tokens": 8}),
]


@pytest.mark.parametrize(("name", "message", "instead"), REFUSED, ids=[refused[0] for refused in REFUSED])
def test_what_a_server_refuses_is_left_out_and_said_once(
    tmp_path: Path, name: str, message: str, instead: dict[str, Any]
) -> None:
    said: list[Event] = []

    def picky(body: Body, before: int) -> Reply:
        refusal = json.dumps({"error": {"message": message, "type": "invalid_request_error"}})
        return Reply(400, refusal) if name in body else right(body)

    with chat_server(picky) as server:
        work = job(tmp_path, server.url, rows=12, decoding="schema", endpoint={"concurrency": 1})
        work = Job(work.address, work.params, work.inputs, work.out, work.checkpoints, said.append, work.cache)
        outcome = Evaluate().perform(work)
    assert outcome.metrics["json_exact"].value == 1
    assert outcome.metrics["failed_answers"].value == 0
    # One refusal, or two where there are two ways of asking for a schema, then one request a case.
    assert len(server.bodies) == 13 + (name == "response_format")
    assert server.bodies[-1].items() >= instead.items()
    [told] = [event.message for event in said if event.kind == "log"]
    assert message in told
    assert outcome.notes["refused"] == [told]


def test_a_server_that_knows_the_older_way_of_a_schema_is_asked_in_it(tmp_path: Path) -> None:
    """As llama-cpp-python is: it answers 500 to a type that it does not know."""
    refusal = {"error": {"message": "1 validation error: Input should be 'text' or 'json_object'"}}

    def older(body: Body, before: int) -> Reply:
        is_new = body["response_format"]["type"] == "json_schema"
        return Reply(500, json.dumps(refusal)) if is_new else right(body)

    with chat_server(older) as server:
        outcome = Evaluate().perform(
            job(tmp_path, server.url, rows=5, decoding="schema", endpoint={"concurrency": 1, "max_retries": 0})
        )
    assert outcome.metrics["json_exact"].value == 1
    assert server.bodies[-1]["response_format"] == {"type": "json_object", "schema": TINY_SCHEMA}
    assert len(server.bodies) == 6
    assert "refused" not in outcome.notes


def test_a_template_without_a_system_turn_gets_its_text_in_the_first_request(tmp_path: Path) -> None:
    said: list[Event] = []

    def strict(body: Body, before: int) -> Reply:
        if body["messages"][0]["role"] == "system":
            return Reply(400, '{"error": {"message": "System role not supported"}}')
        return Reply(text=RIGHT[body["messages"][0]["content"].removeprefix("Do as asked.\n\n")])

    with chat_server(strict) as server:
        work = job(tmp_path, server.url, endpoint={"concurrency": 1}, decoding="schema")
        work = Job(work.address, work.params, work.inputs, work.out, work.checkpoints, said.append, work.cache)
        outcome = Evaluate().perform(work)
    assert outcome.metrics["json_exact"].value == 1
    assert len(server.bodies) == 7
    assert "response_format" in server.bodies[-1]
    assert ["no system turn" in event.message for event in said if event.kind == "log"] == [True]


def test_a_key_that_is_a_common_word_changes_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_KEY", "lamp")
    with chat_server(right) as server:
        assert Evaluate().perform(job(tmp_path, server.url)).metrics["json_exact"].value == 1


def test_examples_that_a_served_model_cannot_read_are_left_out_where_the_prompt_allows_it(tmp_path: Path) -> None:
    def small(body: Body, before: int) -> Reply:
        refusal = '{"error": {"message": "maximum context length exceeded"}}'
        return Reply(400, refusal) if len(body["messages"]) > 6 else right(body)

    shown = tuple(
        Example(id=row["id"], prompt=row["prompt"], completion=row["completion"]) for row in tiny_rows(8, start=20)
    )
    for fit, failed in ((True, 0), (False, 3)):
        folder = tmp_path / str(fit)
        folder.mkdir()
        with chat_server(small) as server:
            work = job(folder, server.url, rows=3)
            write_prompt(make_prompt("Do as asked.", shown, fit=fit), folder / "prompt.json")
            if failed:
                with pytest.raises(AdaptError, match="context length"):
                    Evaluate().perform(work)
                continue
            outcome = Evaluate().perform(work)
            assert outcome.metrics["json_exact"].value == 1
            assert outcome.notes["examples_left_out"] == 3 * 6
            assert len(server.bodies[-1]["messages"]) == 1 + 2 * 2 + 1


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
