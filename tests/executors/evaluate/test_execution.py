"""Queries that a model wrote: what they return is compared, and what they must not do is refused."""

from __future__ import annotations

import hashlib
import sqlite3
import time
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.database import MAX_ROWS, database_of, run_query
from executors.evaluate.execution import ordered, same_rows, verdict
from executors.evaluate.scoring import case_scores, measure
from planner.documents import InputError

if TYPE_CHECKING:
    from pathlib import Path

SQL = AnswerForm("sql")
LOOP = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT {what} FROM n"

MEMORY = LOOP.replace("SELECT {what} FROM n", "SELECT count(*) FROM (SELECT DISTINCT randomblob(200000) AS b FROM n)")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data base") / "shop #1?.sqlite"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, price REAL, sold TEXT)")
        rows = [(1, "lamp", 10.5, "2026-01-02"), (2, "fan", 20.0, None), (3, "radio", 20.0, "2026-03-04")]
        connection.executemany("INSERT INTO item VALUES (?, ?, ?, ?)", rows)
    connection.close()
    return path


ATTACKS = {
    "write": ("INSERT INTO item VALUES (4, 'x', 1, NULL)", "refused: INSERT"),
    "update": ("UPDATE item SET price = 0", "refused: UPDATE"),
    "delete": ("DELETE FROM item", "refused: DELETE"),
    "write behind a name": ("WITH a AS (SELECT 1) DELETE FROM item", "refused: DELETE"),
    "write that returns": ("INSERT INTO item VALUES (5, 'x', 1, NULL) RETURNING id", "refused: INSERT"),
    "drop": ("DROP TABLE item", "refused: D"),
    "create": ("CREATE TABLE other (id)", "refused: "),
    "create for the session": ("CREATE TEMP TABLE other AS SELECT * FROM item", "refused: "),
    "attach": ("ATTACH DATABASE '{folder}/made.db' AS other", "refused: ATTACH"),
    "vacuum into a file": ("VACUUM INTO '{folder}/made.db'", "refused: ATTACH"),
    "pragma": ("PRAGMA writable_schema = 1", "refused: PRAGMA"),
    "pragma as a table": ("SELECT * FROM pragma_database_list", "refused: "),
    "transaction": ("BEGIN EXCLUSIVE", "refused: TRANSACTION"),
    "load an extension": ("SELECT load_extension('/tmp/evil.so')", "refused: load_extension"),
    "write a file": ("SELECT writefile('{folder}/made.db', 'x')", "no such function"),
    "loop for ever": (LOOP.format(what="count(*)"), "stopped after 2 s"),
    "millions of rows": (LOOP.format(what="i"), f"more than {MAX_ROWS:,} rows"),
    "a huge value": ("SELECT zeroblob(1000000000)", "too big"),
    "many large values": (LOOP.format(what="zeroblob(200000)"), "MiB of results"),
    "much memory": (MEMORY, ""),
    "slow in one step": ("SELECT instr(printf('%.*c', 250000, 'a'), printf('%.*c', 120000, 'a') || 'b')", "other rows"),
    "slow patterns": ("SELECT printf('%.*c', 250000, 'a') LIKE '" + "%a" * 400 + "b'", "other rows"),
    "two statements": ("SELECT 1; DROP TABLE item", "one statement"),
    "no statement": ("-- nothing", "no query"),
    "syntax": ("SELEC name FROM item", "syntax error"),
    "no such table": ("SELECT * FROM absent", "no such table"),
    "a null character": ("SELECT 1\0", "null"),
    "half a character": ("SELECT '\ud800'", "surrogates"),
    "long": ("SELECT " + "1+" * 20_000 + "1", "characters"),
    "deep": ("SELECT " + "(" * 5_000 + "1" + ")" * 5_000, ""),
    "prose": ("I would select the name.", "syntax error"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_query_that_does_more_than_read_is_refused_and_scored_wrong(shop: Path, attack: str) -> None:
    query, reason = ATTACKS[attack]
    before = hashlib.sha256(shop.read_bytes()).digest()
    started = time.monotonic()
    found = verdict(Case(SQL, query.format(folder=shop.parent), "SELECT 1", database=shop), strict=True)
    assert time.monotonic() - started < 6
    assert not found.right
    assert reason in found.reason and found.reason
    assert hashlib.sha256(shop.read_bytes()).digest() == before
    assert [item.name for item in shop.parent.iterdir()] == [shop.name]


@pytest.mark.parametrize(
    ("said", "expected", "right"),
    [
        ("SELECT name FROM item", "select name from item", True),
        ("SELECT name FROM item ORDER BY name", "SELECT name FROM item", True),
        ("SELECT name FROM item ORDER BY name DESC", "SELECT name FROM item ORDER BY name", False),
        ("SELECT name AS n FROM item ORDER BY 1;", "SELECT name FROM item ORDER BY name -- sorted", True),
        ("SELECT price FROM item", "SELECT DISTINCT price FROM item", False),
        ("SELECT id, name FROM item", "SELECT name, id FROM item", False),
        ("SELECT sum(price) FROM item", "SELECT 50.5", True),
        ("SELECT avg(price) FROM item", "SELECT 16.8333333", True),
        ("SELECT avg(price) FROM item", "SELECT 16.84", False),
        ("SELECT '1'", "SELECT 1", False),
        ("SELECT sold FROM item WHERE id = 2", "SELECT NULL", True),
        ("SELECT name FROM item WHERE id = 9", "SELECT name FROM item WHERE id = 10", True),
        ("SELECT 1 UNION SELECT 2 ORDER BY 1 DESC", "SELECT 1 UNION SELECT 2 ORDER BY 1", False),
    ],
)
def test_results_are_compared_as_rows(shop: Path, said: str, expected: str, right: bool) -> None:
    found = verdict(Case(SQL, said, expected, database=shop), strict=True)
    assert found.right is right, found.reason


def test_a_query_in_a_code_fence_is_found_leniently(shop: Path) -> None:
    said = "Here it is:\n```sql\nSELECT count(*) FROM item\n```"
    case = Case(SQL, said, "SELECT 3", database=shop)
    scores = case_scores(case, ["execution_accuracy"])
    assert scores == {"execution_accuracy": False, "execution_accuracy_lenient": True}
    measured = measure([case], ["execution_accuracy"], 0)
    assert (measured["execution_accuracy"].value, measured["execution_accuracy_lenient"].value) == (0, 1)


def test_one_of_several_accepted_queries_is_enough(shop: Path) -> None:
    assert verdict(Case(SQL, "SELECT 3", "SELECT 2", ("SELECT count(*) FROM item",), shop), strict=True).right


def test_an_expected_query_that_fails_says_so_and_ends_nothing(shop: Path) -> None:
    found = verdict(Case(SQL, "SELECT 1", "SELECT absent FROM item", database=shop), strict=True)
    assert (found.right, found.reason) == (False, "the expected query fails: no such column: absent")


def test_only_the_outer_order_counts() -> None:
    assert ordered("SELECT a FROM t ORDER BY a LIMIT 3")
    assert not ordered("SELECT * FROM (SELECT a FROM t ORDER BY a)")
    assert ordered("this is no query ORDER BY a")


CELLS = st.one_of(st.none(), st.integers(-5, 5), st.floats(-3, 3), st.sampled_from(["a", "b", ""]), st.just(b"a"))


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.randoms())
def test_a_result_is_itself_in_any_order_and_nearly(rows: list[tuple[object, ...]], draw: object) -> None:
    mixed = [tuple(cell * (1 + 1e-9) if isinstance(cell, float) else cell for cell in row) for row in rows]
    draw.shuffle(mixed)  # type: ignore[attr-defined]
    assert same_rows(tuple(mixed), tuple(rows), ordered=False)  # type: ignore[arg-type]
    assert not same_rows((*mixed, ("c", "c")), (*rows, ("d", "d")), ordered=False)  # type: ignore[arg-type]


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    other = tmp_path / "rows.sqlite"
    other.write_text("not a database, but long enough to be looked at " * 20)
    with pytest.raises(InputError, match=r"no SQLite database.*rows\.sqlite|rows\.sqlite.*no SQLite database"):
        run_query(other, "SELECT 1", 1)


def test_a_row_names_its_database_in_the_folder(tmp_path: Path) -> None:
    for name in ("one.sqlite", "two/two.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert database_of(tmp_path, "one", "r").name == "one.sqlite"
    assert database_of(tmp_path, "two", "r").name == "two.db"
    for name in ("", "three", "../one", "two/two", ".."):
        with pytest.raises(InputError, match="row r"):
            database_of(tmp_path, name, "r")
