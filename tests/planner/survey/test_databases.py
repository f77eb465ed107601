"""The databases that queries are run against: found, pinned by content, read by every evaluation."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError, Plan
from planner.planning import plan
from tests.planner.specs import spec

if TYPE_CHECKING:
    from pathlib import Path

ROWS = [{"prompt": f"how many {n}", "completion": f"SELECT {n}", "db_id": "one"} for n in range(60)]


def database(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE item (id)")
    connection.close()
    return path


def planned(folder: Path, **evaluation: Any) -> Plan:
    (folder / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    task = {"description": "Write the query", "kind": "semantic-parsing", "output": {"format": "sql"}}
    return plan(spec(task=task, data__test="test.jsonl", evaluation=evaluation), folder=folder)


@pytest.mark.parametrize("name", ["shop.sqlite", "shops"])
def test_queries_are_run_on_what_the_spec_names(tmp_path: Path, name: str) -> None:
    database(tmp_path / (name if name.endswith("sqlite") else "shops/one/one.sqlite"))
    document = planned(tmp_path, database=name)
    assert document.spec.evaluation.metrics == ("execution_accuracy", "sql_valid")
    step = document.step("evaluate/zero-shot")
    assert step.inputs["database"].pin == "data/database"
    pin = document.pins["data/database"]
    assert (pin.path, pin.kind) == (name, "file")
    assert pin.digest is not None and pin.bytes
    other = planned(tmp_path, database=name)
    assert other.pins == document.pins
    connection = sqlite3.connect(next(tmp_path.rglob("*.sqlite")))
    connection.execute("CREATE TABLE more (id)")
    connection.close()
    assert planned(tmp_path, database=name).pins["data/database"].digest != pin.digest


def test_what_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "shop.sqlite").write_text("id,name\n1,lamp\n")
    (tmp_path / "empty").mkdir()
    database(tmp_path / "mixed/one.sqlite")
    (tmp_path / "mixed/two.db").write_text("text")
    for name, said in (
        ("shop.sqlite", "`shop.sqlite` is no SQLite database"),
        ("empty", "`empty` holds no database"),
        ("mixed", "`mixed/two.db` is no SQLite database"),
        ("absent", "`absent` does not exist"),
    ):
        with pytest.raises(InputError, match=said):
            planned(tmp_path, database=name)


def test_a_metric_that_runs_queries_asks_for_a_database(tmp_path: Path) -> None:
    [warning] = [each for each in planned(tmp_path, metrics=["execution_accuracy"]).warnings if each.code == "SPEC045"]
    assert "no database is named" in warning.message


def test_without_one_queries_are_compared_as_text(tmp_path: Path) -> None:
    document = planned(tmp_path)
    assert document.spec.evaluation.metrics == ("exact_match", "sql_valid")
    assert "database" not in document.step("evaluate/zero-shot").inputs
