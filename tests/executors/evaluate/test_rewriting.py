"""Queries that a model words anew are kept where they find more, and searched by from then on."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job, Outcome
from executors.data import Row
from executors.diagnose.lookup import open_index
from executors.evaluate import Evaluate, EvaluateParams, Rewrite, RewriteParams
from executors.evaluate.rewriting import MOST_CHARACTERS, query, write_queries
from executors.evaluate.rewriting import Rewriting as Document
from executors.prompt.document import make_prompt, write_prompt
from planner.documents import InputError
from tests.executors.evaluate.server import Body, ChatServer, Reply, chat_server

if TYPE_CHECKING:
    from pathlib import Path

TOPICS = ("river", "bread", "train", "lamp", "violin", "harbour", "meadow", "glacier", "orchard", "kettle")
HOW: dict[str, Any] = {"batch_size": 4, "dtype": "fp32", "quantization": "none", "seed": 0}


def documents(folder: Path) -> Path:
    lines = [{"id": name, "text": f"The {name} is told of here, with number {at}."} for at, name in enumerate(TOPICS)]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    open_index(folder / "corpus.jsonl", folder / "index", 1)
    return folder / "index"


def questions(folder: Path) -> Path:
    """Questions in words that no document uses."""
    rows = [{"id": f"q{at}", "question": f"What of thing {chr(97 + at)}?", "answer": str(at), "gold": name}
            for at, name in enumerate(TOPICS)]  # fmt: skip
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "rows.jsonl"


def knowing(body: Body, before: int) -> Reply:
    """Knows the documents' word for each thing, and says the passage's number where it is given one."""
    said = body["messages"][-1]["content"]
    if "Write the last question" in said:
        return Reply(text=f"What is told of the {TOPICS[ord(said.split('thing ')[1][0]) - 97]}?")
    return Reply(text=said.split("number ")[1].split(".")[0] if "number " in said else "no idea")


def rewrite(folder: Path, server: ChatServer, **inputs: Path) -> Outcome:
    (folder / "out").mkdir(exist_ok=True)
    endpoint = {"url": server.url, "model": "m", "max_retries": 0}
    params = RewriteParams.model_validate({**HOW, "max_new_tokens": 20, "limit": 60, "endpoint": endpoint})
    given = {"index": documents(folder), "validation": questions(folder)} | inputs
    return Rewrite().perform(Job("rewrite/bm25", params, given, folder / "out", folder / "c", lambda _: None, folder))


def test_queries_that_find_more_are_kept_and_used_by_the_evaluation(tmp_path: Path) -> None:
    with chat_server(knowing) as server:
        outcome = rewrite(tmp_path, server)
        assert outcome.notes["use"] in ("alone", "added")
        assert outcome.metrics["mrr_plain"].value < outcome.metrics["mrr"].value == 1
        assert outcome.metrics["gain"].low > 0
        scores = {}
        for name, more in (("plain", {}), ("rewritten", {"rewriting": tmp_path / "out/rewriting"})):
            folder = tmp_path / name
            (folder / "out").mkdir(parents=True)
            write_prompt(make_prompt("Answer."), folder / "prompt.json")
            params = EvaluateParams.model_validate(
                {
                    "metrics": ["exact_match"],
                    "schema": None,
                    "labels": None,
                    "format": "text",
                    "limit": None,
                    "max_new_tokens": 8,
                    "endpoint": {"url": server.url, "model": "m"},
                    **HOW,
                }
            )
            inputs = {"prompt": folder / "prompt.json", "data": tmp_path / "rows.jsonl", "index": tmp_path / "index"}
            job = Job("evaluate/x", params, inputs | more, folder / "out", folder / "c", lambda _: None, folder)
            scores[name] = Evaluate().perform(job).metrics
    assert scores["rewritten"]["exact_match"].value == scores["rewritten"]["recall_at_1"].value == 1
    assert scores["plain"]["exact_match"].value < 1


def test_queries_that_find_no_more_are_not_kept(tmp_path: Path) -> None:
    with chat_server(lambda _body, _before: Reply(text="something else")) as server:
        outcome = rewrite(tmp_path, server)
    assert outcome.notes["use"] == "plain"
    assert outcome.metrics["mrr"].value == outcome.metrics["mrr_plain"].value


def test_a_model_reads_the_end_of_a_long_conversation_and_what_it_cannot_say_is_searched_as_asked(
    tmp_path: Path,
) -> None:
    turns = ({"role": "system", "content": "secret"}, {"role": "user", "content": "a" * 5000})
    row = Row("r", "And in Austria?", "yes", turns)
    with chat_server(lambda _body, _before: Reply(500)) as server:
        endpoint = {"url": server.url, "model": "m", "max_retries": 0}
        params = RewriteParams.model_validate({**HOW, "max_new_tokens": 20, "limit": 60, "endpoint": endpoint})
        job = Job("rewrite/x", params, {}, tmp_path, tmp_path / "c", lambda _: None, tmp_path)
        with pytest.raises(Exception, match="failed 1 times"):
            write_queries(job, [row], Document(use="alone", max_new_tokens=20))
        [body] = server.bodies
    said = body["messages"][0]["content"]
    assert "And in Austria?" in said and "secret" not in said and len(said) < MOST_CHARACTERS + 400
    assert [query(row, "", use) for use in ("plain", "alone", "added")] == ["And in Austria?"] * 3
    assert query(row, "Is it so in Austria?", "added") == "And in Austria?\nIs it so in Austria?"


def test_questions_without_answers_measure_nothing(tmp_path: Path) -> None:
    (tmp_path / "bare.jsonl").write_text('{"prompt": "what?"}\n')
    with chat_server(knowing) as server, pytest.raises(InputError, match="No question says"):
        rewrite(tmp_path, server, validation=tmp_path / "bare.jsonl")
