"""Queries are right by the rows that they return, where there is a database to run them on."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.diagnose import Diagnose, DiagnoseParams
from executors.diagnose.content import content
from executors.diagnose.symptoms import symptom
from executors.evaluate.case import AnswerForm, Case
from planner.documents import FailureReport
from tests.executors.tiny import write_rows

if TYPE_CHECKING:
    from pathlib import Path

SQL = AnswerForm("sql")
EXPECTED = "SELECT name FROM item WHERE price > 2"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    (tmp_path / "shops").mkdir()
    with closing(sqlite3.connect(tmp_path / "shops/shop.sqlite")) as connection:
        connection.executescript("CREATE TABLE item (name text, price int); INSERT INTO item VALUES ('a', 1), ('b', 3)")
    return tmp_path / "shops/shop.sqlite"


@pytest.mark.parametrize(
    ("said", "name", "right"),
    [
        ("SELECT name FROM item WHERE NOT price <= 2", None, True),
        (f"```sql\n{EXPECTED}\n```", "wrong form", True),
        ("SELECT name FROM item", "wrong content", False),
        ("SELECT nothing FROM item", "wrong content", False),
        ("SELECT FROM WHERE", "malformed", False),
        ("DELETE FROM item", "wrong content", False),
    ],
)
def test_what_a_query_returns_tells_its_symptom(shop: Path, said: str, name: str | None, right: bool) -> None:
    case = Case(SQL, said, EXPECTED, (), shop)
    found = symptom(case)
    assert (found[0] if found else None) == name
    assert (content(case) == 1.0) is right


def test_a_diagnosis_runs_the_queries_on_the_database_that_a_row_names(tmp_path: Path, shop: Path) -> None:
    said = ["SELECT name FROM item WHERE price = 3", "SELECT price FROM item"]
    rows = [{"id": f"q{at}", "question": "which?", "query": EXPECTED, "db_id": "shop"} for at in range(2)]
    made = [{"id": f"q{at}", "prediction": text} for at, text in enumerate(said)]
    inputs: dict[str, Path | str] = {
        "predictions": write_rows(tmp_path / "said.jsonl", made),
        "data": write_rows(tmp_path / "rows.jsonl", rows),
        "database": tmp_path / "shops",
    }
    values: dict[str, Any] = {"format": "sql", "schema": None, "labels": None, "kind": "semantic-parsing", "seed": 0}
    (tmp_path / "out").mkdir()
    job = Job("d", DiagnoseParams.model_validate(values), inputs, tmp_path / "out", tmp_path, lambda _: None, tmp_path)
    Diagnose().perform(job)
    report = FailureReport.model_validate_json((tmp_path / "out/report").read_bytes())
    assert [case.id for case in report.cases] == ["q1"]
    assert "does not return the expected rows: other rows" in str(report.cases[0].evidence)
