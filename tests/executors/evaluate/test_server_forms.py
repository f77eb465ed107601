"""What is asked of a server beyond text: forms of answers, and what it may refuse of a request."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.evaluate import Evaluate
from executors.prompt.document import Example, make_prompt, write_prompt
from planner.documents import AdaptError
from tests.executors.evaluate.served_jobs import RIGHT, job, right
from tests.executors.evaluate.server import Body, Reply, chat_server
from tests.executors.tiny import TINY_SCHEMA, tiny_rows

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Event

pytestmark = pytest.mark.usefixtures("hasty")


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
