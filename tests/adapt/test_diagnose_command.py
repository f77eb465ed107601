"""`adapt diagnose`: results of any tool in, a page and a failure report out."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import FailureReport
from planner.planning import plan
from tests.adapt.commands import process
from tests.executors.evaluate.server import Reply, chat_server
from tests.planner.specs import spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROWS = [
    {"id": "a", "question": "Where does the Lena end?", "expected": "the Laptev Sea", "prediction": "In Paris"},
    {"id": "b", "question": "How long is it?", "expected": "4294 km", "prediction": "It is 4294 km long."},
    {"id": "c", "question": "Who dug it?", "expected": "nobody", "prediction": "nobody"},
    {"id": "d", "question": "What is baked at 230 degrees?", "expected": "Rye bread", "prediction": "Cake"},
]
CORPUS = [
    {"id": "rivers", "text": "The Lena ends in the Laptev Sea. It is 4294 km long."},
    {"id": "bread", "text": "Rye bread is baked at 230 degrees for an hour."},
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    return write(tmp_path / "rows.jsonl", ROWS)


def test_a_page_says_how_many_fail_and_why(adapt: Callable, rows: Path) -> None:
    said = adapt("diagnose", rows)
    assert said.code == 0
    assert "3 of 4 cases fail" in said.out
    assert "information" in said.out
    assert "presumed" in said.out
    assert "plain rows" in said.err
    assert "read as question-answering with text answers" in said.err


def test_documents_tell_information_from_a_retrieval_miss_without_a_model(
    adapt: Callable, rows: Path, tmp_path: Path
) -> None:
    out = tmp_path / "failures.json"
    corpus = write(tmp_path / "corpus.jsonl", CORPUS)
    said = adapt("diagnose", rows, "--documents", corpus, "--passages", "1", "--out", out, "--format", "markdown")
    assert said.code == 0
    assert said.out.startswith("# 3 of 4 cases fail")
    report = FailureReport.model_validate_json(out.read_text(encoding="utf-8"))
    assert report.by_cause == {"behaviour": 1, "information": 2}
    assert {case.decided_by for case in report.cases} == {"search", "lenient scoring"}


def test_the_report_is_read_by_the_next_plan(adapt: Callable, tmp_path: Path) -> None:
    rows = [row | {"id": str(number), "prediction": "?"} for number in range(40) for row in ROWS[:1]]
    path = write(tmp_path / "rows.jsonl", rows)
    assert adapt("diagnose", path, "--out", tmp_path / "failures.json").code == 0
    (tmp_path / "spec.json").write_text(json.dumps(spec(failures="failures.json")), encoding="utf-8")
    facts = {fact.name: fact.value for fact in plan(tmp_path / "spec.json").facts}
    assert facts["information_share"] == 1.0
    assert facts["failures_seen"] == 40


def test_json_is_the_report_itself(adapt: Callable, rows: Path) -> None:
    said = adapt("diagnose", rows, "--json", "--kind", "generation", "--cases", "0")
    assert FailureReport.model_validate_json(said.out).failed == 3


def test_several_files_are_one_report_with_ids_of_their_own(adapt: Callable, rows: Path, tmp_path: Path) -> None:
    other = write(tmp_path / "other.jsonl", ROWS)
    report = FailureReport.model_validate_json(adapt("diagnose", rows, other, "--json").out)
    assert (report.cases_seen, report.failed) == (8, 6)
    assert {case.id for case in report.cases} >= {"1-rows/a", "2-other/a"}


def test_nothing_that_fails_is_said_in_one_line(adapt: Callable, tmp_path: Path) -> None:
    said = adapt("diagnose", write(tmp_path / "rows.jsonl", ROWS[2:3]))
    assert "0 of 1 cases fail" in said.out
    assert "Cheapest cure" not in said.out


def test_a_server_makes_the_experiments_and_another_one_is_the_stronger(
    adapt: Callable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRONG_KEY", "secret-of-the-test")
    rows = write(tmp_path / "rows.jsonl", [ROWS[0], ROWS[3]])
    corpus = write(tmp_path / "corpus.jsonl", CORPUS)

    def reads(body: dict[str, Any], _before: int) -> Reply:
        return Reply(text="the Laptev Sea" if "ends in the Laptev" in body["messages"][-1]["content"] else "a cake")

    with chat_server(reads) as weak, chat_server(lambda _body, _before: Reply(text="Rye bread")) as strong:
        said = adapt(
            *("diagnose", rows, "--documents", corpus, "--json", "--passages", "1"),
            *("--endpoint", weak.url, "weak", "--stronger-endpoint", strong.url, "strong"),
            *("--stronger-key-env", "STRONG_KEY"),
        )
    report = FailureReport.model_validate_json(said.out)
    assert {case.id: (case.cause, case.decided_by) for case in report.cases} == {
        "a": ("information", "gold passage"),
        "d": ("capability", "stronger model"),
    }
    assert {body["model"] for body in weak.bodies} == {"weak"}
    assert {header["authorization"] for header in strong.headers} == {"Bearer secret-of-the-test"}
    assert "secret" not in said.out + said.err


def test_an_endpoint_that_cannot_be_asked_is_told_in_a_sentence(adapt: Callable, rows: Path) -> None:
    gone = adapt(
        "diagnose", rows, "--endpoint", "http://127.0.0.1:9/v1", "m", "--kind", "generation", "--labels", "a,b"
    )
    assert (gone.code, "cannot be reached" in gone.err) == (1, True)
    odd = adapt("diagnose", rows, "--endpoint", "localhost", "m")
    assert (odd.code, "/url" in odd.err) == (2, True)
    both = adapt("diagnose", rows, "--endpoint", "http://127.0.0.1:9/v1", "m", "--model", "models/a")
    assert (both.code, "both say who answers" in both.err) == (2, True)
    alone = adapt("diagnose", rows, "--stronger-endpoint", "http://127.0.0.1:9/v1", "m")
    assert (alone.code, "Give --model or --endpoint" in alone.err) == (2, True)


def test_labels_and_schemas_tell_the_form(adapt: Callable, tmp_path: Path) -> None:
    labels = write(tmp_path / "labels.jsonl", [{"prompt": "x", "label": "on", "prediction": "It is on."}])
    report = FailureReport.model_validate_json(adapt("diagnose", labels, "--labels", "on,off", "--json").out)
    assert report.cases[0].symptom == "wrong form"
    (tmp_path / "schema.json").write_text('{"type": "object", "required": ["a"]}', encoding="utf-8")
    values = write(tmp_path / "json.jsonl", [{"prompt": "x", "expected": {"a": 1}, "prediction": '{"b": 1}'}])
    said = adapt("diagnose", values, "--schema", tmp_path / "schema.json", "--json")
    assert FailureReport.model_validate_json(said.out).by_symptom == {"wrong form": 1}
    assert "extraction with json answers" in said.err


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"", (), "empty"),
        (b"\x00\x01", (), "binary"),
        (b'{"a": 1}\n', (), "fields a"),
        (b'{"prompt": "p", "prediction": "q"}\n', (), "expected answer"),
        (None, (), "cannot be read"),
        (b'{"prompt": "p", "expected": "e", "prediction": "q"}\n', ("--documents", "gone"), "documents are not there"),
        (b'{"prompt": "p", "expected": "e", "prediction": "q"}\n', ("--model", "gone"), "--model is not there"),
        (b'{"prompt": "p", "expected": "e", "prediction": "q"}\n', ("--train", "gone"), "Give --model"),
        (b'{"prompt": "p", "expected": "e", "prediction": "q"}\n', ("--schema", "gone"), "schema cannot be read"),
        (b'{"prompt": "p", "expected": "e", "prediction": "q"}\n', ("--output-format", "label"), "--labels"),
        (b'{"prompt": "p", "expected": "e", "prediction": "q"}\n', ("--out", "gone/failures.json"), "is not there"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(
    adapt: Callable,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    content: bytes | None,
    options: tuple[str, ...],
    words: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "rows.jsonl").write_bytes(content)
    said = adapt("diagnose", "rows.jsonl", *options)
    assert (said.code, said.out) == (2, "")
    assert words in " ".join(said.err.split())
    assert len([line for line in said.err.splitlines() if line.startswith("error")]) == 1
    assert "Traceback" not in said.err


@pytest.mark.slow
def test_experiments_are_made_with_a_model_and_its_answers_kept(rows: Path, tmp_path: Path) -> None:
    from tests.executors.tiny import make_tiny_model

    model = make_tiny_model(tmp_path / "model")
    words = ("--documents", write(tmp_path / "corpus.jsonl", CORPUS), "--keep", tmp_path / "kept", "--json")
    first = process("diagnose", rows, "--model", model, *words, "--max-new-tokens", "4")
    assert first.code == 0, first.err
    report = FailureReport.model_validate_json(first.out)
    assert {each.name for each in report.experiments} == {"lenient scoring", "gold passage"}
    assert "experiment: gold passage: 2 cases" in first.err
    assert "Without --prompt" in first.err
    again = process("diagnose", rows, "--model", model, *words, "--max-new-tokens", "4")
    assert again.out == first.out
    assert "experiment" not in again.err


def test_queries_are_right_by_the_rows_that_they_return(adapt: Callable, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript("CREATE TABLE item (name text, price int); INSERT INTO item VALUES ('a', 1), ('b', 3)")
    said = ["SELECT name FROM item WHERE price = 3", "SELECT price FROM item", "SELECT FROM"]
    rows = [
        {"question": "Which?", "sql": "SELECT name FROM item WHERE price > 2", "prediction": text, "db_id": "shop"}
        for text in said
    ]
    path = write(tmp_path / "queries.jsonl", rows)
    for where in (tmp_path / "shop.db", tmp_path):
        told = adapt("diagnose", path, "--database", where, "--json")
        report = FailureReport.model_validate_json(told.out)
        assert (report.cases_seen, report.failed) == (3, 2), "another query that returns the same rows is right"
        assert report.by_symptom == {"malformed": 1, "wrong content": 1}
        assert "read as semantic-parsing with sql answers" in told.err
    missing = adapt("diagnose", path, "--database", tmp_path / "nowhere.db")
    assert missing.code == 2
    assert "--database is not there" in missing.err
