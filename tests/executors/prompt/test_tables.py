"""Prompts of queries tell the tables: of one database with the instruction, of several with each request."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.data import read_rows
from executors.evaluate.predictions import read_predictions
from executors.prompt import Prompt, PromptParams
from executors.prompt.document import make_prompt, read_prompt
from executors.prompt.render import messages
from executors.runner import run_plan
from executors.state import STATE_FOLDER, State
from executors.store import Store
from planner.documents import InputError, pretty_json
from planner.documents.tables import tables_told
from planner.planning import plan
from tests.executors.tiny import make_tiny_model, write_rows

if TYPE_CHECKING:
    from pathlib import Path

SHOP = "CREATE TABLE item (name TEXT,\n  price INT); CREATE TABLE buyer (name TEXT, town TEXT)"
QUERY = "SELECT name FROM item WHERE price > {}"
TOLD = "CREATE TABLE item (name TEXT, price INT);\nCREATE TABLE buyer (name TEXT, town TEXT);"


def database(path: Path, script: str = SHOP) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    return path


def made(tmp_path: Path, path: Path) -> Any:
    values = {"instruction": "Write the query.", "schema": None, "labels": None, "format": "sql", "show_form": True}
    params = PromptParams.model_validate(values | {"examples": 0, "select": "balanced", "tables": 400, "seed": 0})
    inputs: dict[str, Path | str] = {"database": path}
    Prompt().perform(Job("prompt/zero-shot", params, inputs, tmp_path, tmp_path, lambda _: None, tmp_path))
    return read_prompt(tmp_path / "prompt")


@pytest.mark.parametrize(
    ("most", "told"),
    [
        (200, TOLD),
        (70, "item(name TEXT, price INT)\nbuyer(name TEXT, town TEXT)"),
        (40, "item(name, price)\nbuyer(name, town)"),
        (20, "item(name, price)"),
        (5, ""),
    ],
)
def test_the_tables_are_told_as_shortly_as_they_must_be(tmp_path: Path, most: int, told: str) -> None:
    assert tables_told(database(tmp_path / "shop.db"), most) == {"": told}


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("name,price\n" * 99)
    with pytest.raises(InputError, match=r"no SQLite database"):
        tables_told(tmp_path / "shop.db", 100)


def test_the_tables_of_one_database_stand_with_the_instruction(tmp_path: Path) -> None:
    prompt = made(tmp_path, database(tmp_path / "shop.db"))
    assert prompt.system.startswith("Write the query.")
    assert prompt.system.endswith(TOLD)
    assert prompt.id != make_prompt(prompt.system.removesuffix(TOLD)).id


def test_the_tables_of_several_databases_stand_before_the_requests_of_each(tmp_path: Path) -> None:
    database(tmp_path / "all/shop/shop.sqlite")
    database(tmp_path / "all/zoo.sqlite", "CREATE TABLE animal (name text)")
    prompt = made(tmp_path, tmp_path / "all")
    rows = [
        {"id": "a", "question": "Which animals?", "query": "SELECT name FROM animal", "db_id": "zoo"},
        {"id": "b", "question": "Which items?", "query": "SELECT name FROM item", "db_id": "shop"},
        {"id": "c", "question": "CREATE TABLE a (b int);\nWhich b?", "query": "SELECT b FROM a", "db_id": "shop"},
    ]
    asked = [messages(prompt, row)[-1]["content"] for row in read_rows(write_rows(tmp_path / "rows.jsonl", rows))]
    assert asked[0] == "CREATE TABLE animal (name text);\n\nWhich animals?"
    assert asked[1].startswith("CREATE TABLE item")
    assert asked[2] == rows[2]["question"], "it brings its own tables"
    assert make_prompt(prompt.system, tables=prompt.tables).id == prompt.id != make_prompt(prompt.system).id


def test_a_plan_of_queries_tells_the_tables_and_runs_the_queries(tmp_path: Path) -> None:
    database(tmp_path / "shop.db", "; ".join((SHOP, "INSERT INTO item VALUES ('a', 1), ('b', 3)")))
    rows = [{"id": f"q{at}", "prompt": f"names above {at}", "completion": QUERY.format(at)} for at in range(12)]
    write_rows(tmp_path / "train.jsonl", rows[:8])
    write_rows(tmp_path / "test.jsonl", rows[8:])
    make_tiny_model(tmp_path / "model", window=1024)
    spec = {
        "name": "shop",
        "task": {"description": "Write the query.", "kind": "semantic-parsing", "output": {"format": "sql"}},
        "data": {"train": "train.jsonl", "test": "test.jsonl"},
        "models": [{"id": "tiny", "path": "model"}],
        "evaluation": {"metrics": ["execution_accuracy"], "database": "shop.db"},
    }
    document = plan(spec, folder=tmp_path)
    told = [step for step in document.steps if step.executor.startswith("prompt")]
    assert {step.inputs["database"].pin for step in told} == {"data/database"}
    assert {step.params["tables"] for step in told} == {int(1024 * 0.25 * 3.6)}
    (tmp_path / "plan.json").write_text(pretty_json(document.to_json()))
    report = run_plan(tmp_path / "plan.json")
    assert report.status == "done", report.because
    measured = next(each for each in report.steps if each.address == "evaluate/zero-shot")
    assert measured.metrics["execution_accuracy"].value == 0
    prompt = next(each for each in report.steps if each.address == "prompt/zero-shot")
    store = Store(State(tmp_path / STATE_FOLDER).store)
    assert TOLD in read_prompt(store.path(prompt.artifacts["prompt"].digest)).system
    records = [*read_predictions(store.path(measured.artifacts["predictions"].digest))]
    assert all(record["execution"] != "right" for record in records)
