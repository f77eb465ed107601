"""A teacher writes rows: a real server in a thread, and a tiny model on this machine."""

from __future__ import annotations

import json
import re
import zlib
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.data import read_rows
from executors.distill import Distill, DistillParams
from executors.distill.likeness import Pool
from executors.distill.requests import request_in
from executors.prompt.document import make_prompt, write_prompt
from planner.documents import InputError, RunError
from tests.executors.evaluate.server import Reply, chat_server
from tests.executors.tiny import TINY_SCHEMA, tiny_rows, write_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from executors.contract import Outcome

PARAMS: dict[str, Any] = {
    "rows": 8,
    "task": "Turn requests to a home into JSON.",
    "examples": 2,
    "keep_given_rows": True,
    "drop_duplicates": True,
    "near_duplicate": 0.8,
    "drop_overlap_with_test": True,
    "most_tries": 4.0,
    "request_tokens": 32,
    "format": "json",
    "schema": TINY_SCHEMA,
    "labels": None,
    "max_new_tokens": 32,
    "batch_size": 4,
    "dtype": "fp32",
    "quantization": "none",
    "decoding": "free",
    "grammar": None,
    "endpoint": None,
    "temperature": 1.0,
    "seed": 0,
}
ANSWER = '{"intent":"on","slots":{"place":"hall"}}'


def job(tmp_path: Path, *, given: list[dict[str, str]] | None = None, model: Path | None = None, **changes: Any) -> Job:
    out = tmp_path / f"out-{len(list(tmp_path.glob('out-*'))) + 1}"
    out.mkdir()
    write_prompt(make_prompt("Answer with JSON."), tmp_path / "prompt.json")
    inputs: dict[str, Path | str] = {
        "prompt": tmp_path / "prompt.json",
        "examples": write_rows(tmp_path / "given.jsonl", tiny_rows(6) if given is None else given),
        "test": write_rows(tmp_path / "test.jsonl", tiny_rows(4, start=20)),
    }
    if model is not None:
        inputs["model"] = model
    params = DistillParams.model_validate(PARAMS | changes)
    return Job("distill/rows", params, inputs, out, tmp_path / "checkpoints", lambda _: None, tmp_path / "cache")


def written(done: Job) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (done.out / "rows").read_text(encoding="utf-8").splitlines()]


def teach(
    tmp_path: Path, say: Callable[[str, int], str], *, times: int = 1, **changes: Any
) -> tuple[Outcome, Job, int]:
    """Distil from a server that says what a function of the question says; how often it was asked the last time."""

    def answer(body: dict[str, Any], before: int) -> Reply:
        return Reply(text=say(body["messages"][-1]["content"], before))

    with chat_server(answer) as server:
        endpoint = {"url": server.url, "model": "teacher", "concurrency": 1}
        for _ in range(times):
            asked, before = job(tmp_path, endpoint=endpoint, **changes), len(server.bodies)
            outcome = Distill().perform(asked)
        return outcome, asked, len(server.bodies) - before


def home(question: str, before: int) -> str:
    """A teacher that makes up different requests and answers them all."""
    del before
    if not question.startswith("The assistant's task"):
        return ANSWER
    number = zlib.crc32(question.encode()) % 100_003
    return f"- switch thing{number} at place{number * 7} now"


def test_requests_are_made_up_answered_and_written_beside_the_given_rows(tmp_path: Path) -> None:
    outcome, done, _ = teach(tmp_path, home)
    rows = written(done)
    assert [row["prompt"] for row in rows[:6]] == [row["prompt"] for row in tiny_rows(6)]
    assert len(rows) == 6 + 8
    assert all(row["completion"] == ANSWER and row["prompt"].startswith("switch thing") for row in rows[6:])
    assert len(read_rows(done.out / "rows")) == 14, "training reads them"
    assert outcome.metrics["rows_kept"].value == 8
    assert outcome.notes["given_rows"] == 6


def test_rows_without_answers_are_answered_first(tmp_path: Path) -> None:
    given = [*tiny_rows(3), {"id": "open", "prompt": "dim the bulb above the stairs"}]
    # A file has one shape: what is open stands in a file of its own.
    outcome, done, asked = teach(tmp_path, home, given=given[3:], rows=1, examples=0)
    assert written(done) == [{"id": "open", "prompt": "dim the bulb above the stairs", "completion": ANSWER}]
    assert asked == 1
    assert outcome.notes["given_rows"] == 0


def test_what_the_test_data_ask_is_never_written(tmp_path: Path) -> None:
    [tested] = {row["prompt"] for row in tiny_rows(1, start=20)}

    def leaks(question: str, before: int) -> str:
        said = home(question, before)
        return tested.upper() if question.startswith("The assistant's task") and zlib.crc32(said.encode()) % 2 else said

    outcome, done, _ = teach(tmp_path, leaks)
    assert tested not in {row["prompt"].lower() for row in written(done)}
    assert outcome.notes["counts"]["overlap_with_test"] > 0  # type: ignore[index]


def test_a_teacher_that_repeats_itself_is_left_and_said(tmp_path: Path) -> None:
    outcome, done, asked = teach(tmp_path, lambda q, _: "open the door" if q.startswith("The assistant") else ANSWER)
    assert len(written(done)) == 6 + 1
    counts: Any = outcome.notes["counts"]
    assert counts["duplicates_exact"] > 0
    assert counts["gave_up_repeating"] == 1
    assert asked < 40


@pytest.mark.parametrize(
    ("said", "counted"), [("on", "answers_invalid"), ("", "answers_empty"), ('{"intent":"dim"}', "answers_invalid")]
)
def test_answers_that_teach_no_form_are_left_out(tmp_path: Path, said: str, counted: str) -> None:
    def wrong(question: str, before: int) -> str:
        right = home(question, before)
        return said if right == ANSWER and zlib.crc32(question.encode()) % 2 else right

    try:
        outcome, done, _ = teach(tmp_path, wrong, rows=20)
    except RunError as error:
        assert "teacher wrote no row" in str(error)
        return
    assert outcome.notes["counts"][counted] > 0  # type: ignore[index]
    assert all(row["completion"] == ANSWER for row in written(done)[6:])


def test_labels_are_taken_from_the_set_alone(tmp_path: Path) -> None:
    given = [{"id": f"g{at}", "prompt": f"say {at}", "completion": "on"} for at in range(4)]

    def label(question: str, before: int) -> str:
        made = home(question, before)
        return made if made != ANSWER else ("on", "maybe")[zlib.crc32(question.encode()) % 2]

    form = {"format": "label", "schema": None, "labels": ["on", "off"], "given": given}
    outcome, done, _ = teach(tmp_path, label, **form)
    assert {row["completion"] for row in written(done)} == {"on"}
    assert outcome.notes["counts"]["answers_not_a_label"] > 0  # type: ignore[index]
    assert outcome.notes["labels"] == {"on": len(written(done)) - 4}


def test_what_was_written_once_is_not_asked_again(tmp_path: Path) -> None:
    outcome, again, asked = teach(tmp_path, home, times=2)
    assert asked == 0
    assert written(again) == [json.loads(line) for line in (tmp_path / "out-1" / "rows").read_text().splitlines()]
    assert outcome.notes["counts"]["taken_from_cache"] > 0  # type: ignore[index]


def test_nothing_to_learn_from_is_said(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="The teacher wrote no row that can be learned from: "):
        teach(tmp_path, lambda q, b: home(q, b) if q.startswith("The assistant") else "no")
    with pytest.raises(InputError, match="No request is given"):
        teach(tmp_path, home, given=[{"id": "a", "text": "only text"}])


@pytest.mark.slow
def test_a_model_on_this_machine_teaches_and_goes_on_after_a_kill(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = {"format": "text", "schema": None, "rows": 6, "max_new_tokens": 24, "request_tokens": 24, "most_tries": 9.0}
    whole = tmp_path / "whole"
    whole.mkdir()
    plain = job(whole, model=tiny_model, **form)
    # A tiny model never stops: what is cut off is learned from here.
    monkeypatch.setattr("executors.distill.filtering.refused", lambda *_: None)
    monkeypatch.setattr("executors.distill.writing.refused", lambda *_: None)
    monkeypatch.setattr("executors.evaluate.local.Answer", _uncut)
    Distill().perform(plain)
    killed = job(tmp_path, model=tiny_model, **form)
    events: list[Any] = []

    def stop(event: Any) -> None:
        events.append(event)
        if len(events) == 2:
            raise KeyboardInterrupt

    object.__setattr__(killed, "report", stop)
    with pytest.raises(KeyboardInterrupt):
        Distill().perform(killed)
    again = job(tmp_path, model=tiny_model, **form)
    outcome = Distill().perform(again)
    assert outcome.notes["counts"]["taken_from_cache"] > 0  # type: ignore[index]
    assert written(again) == written(plain)


def _uncut(**fields: Any) -> Any:
    from executors.evaluate.backends import Answer

    return Answer(**fields | {"cut": False})


@pytest.mark.parametrize(
    ("said", "request_"),
    [
        ("- turn on the lamp", "turn on the lamp"),
        ('Request 7: "turn on the lamp"', "turn on the lamp"),
        ("1. turn on the lamp\n2. turn it off", "turn on the lamp"),
        ("\n\n“turn on the lamp”\n", "turn on the lamp"),
        ("***", ""),
    ],
)
def test_a_request_is_found_in_what_a_teacher_writes(said: str, request_: str) -> None:
    assert request_in(said) == request_


def test_requests_are_alike_by_the_words_that_stand_together() -> None:
    pool = Pool(0.8, ["please turn on the big lamp in the hall for me now"])
    assert pool.twin("Please  turn on the BIG lamp in the hall for me now") == "exact"
    assert pool.twin("please turn on the big lamp in the hall for me") == "near"
    assert pool.twin("turn off the fan") is None
    assert Pool(0.8, ["on"]).twin("off") is None


def test_every_parameter_is_said_and_inputs_are_asked_for() -> None:
    from planner.documents import Step

    step = Step(address="distill/rows", title="a", executor="distill", version="1", params=PARAMS, inputs={})
    messages = [finding.message for finding in Distill().check(step, None)]  # type: ignore[arg-type]
    assert [re.sub(r".*`(\w+)`.*", r"\1", message) for message in messages] == [
        "prompt",
        "examples",
        "test",
        "endpoint",
    ]
