"""Rows of public data sets, in the shapes in which they are published."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from executors.data import read_file, read_rows
from planner.documents import InputError, Spec, validate
from planner.survey.data_files import look_at_data
from planner.survey.rows import RowError, example_of, shape_of

if TYPE_CHECKING:
    from pathlib import Path


SQUAD = {
    "version": "1.1",
    "data": [
        {
            "title": "Tea",
            "paragraphs": [
                {
                    "context": "Tea is a drink.",
                    "qas": [
                        {
                            "id": "q1",
                            "question": "What is tea?",
                            "answers": [{"text": "a drink", "answer_start": 7}] * 2,
                        },
                        {"id": "q2", "question": "Who made it?", "answers": [], "is_impossible": True},
                    ],
                }
            ],
        }
    ],
}


@pytest.mark.parametrize("indent", [None, 2])
def test_the_nested_articles_of_squad_are_rows(tmp_path: Path, indent: int | None) -> None:
    path = tmp_path / "squad.json"
    path.write_text(json.dumps(SQUAD, indent=indent))
    first, second = read_rows(path)
    assert (first.id, first.prompt, first.accepted) == ("q1", "Tea is a drink.\n\nWhat is tea?", ("a drink",))
    assert (second.id, second.accepted) == ("q2", ("",))
    assert ("title", "Tea") in first.slices
    spec = validate(
        Spec, {"task": {"description": "a"}, "models": [{"id": "gpt2"}], "data": {"train": "squad.json"}}, code="SPEC"
    )
    found, _ = look_at_data(spec, tmp_path)
    assert (found["train"].shape, found["train"].rows) == ("question/answers", 2)


CHOICES = ["red", "blue", "1"]
LETTERED = "Which?\nA. red\nB. blue\nC. 1"
ARC = {"text": ["red", "blue"], "label": ["1", "2"]}


@pytest.mark.parametrize(
    ("shape", "record", "prompt", "accepted"),
    [
        ("question/query", {"question": "How many?", "query": "SELECT 1", "db_id": "a"}, "How many?", ["SELECT 1"]),
        (
            "question/SQL",
            {"question": "How many?", "SQL": "SELECT 1", "evidence": "hint"},
            "How many?\n\nhint",
            ["SELECT 1"],
        ),
        ("question/sql", {"question": "Who?", "sql": {"human_readable": "SELECT x", "sel": 1}}, "Who?", ["SELECT x"]),
        (
            "sql_prompt/sql",
            {"sql_prompt": "Who?", "sql_context": "CREATE", "sql": "SELECT"},
            "CREATE\n\nWho?",
            ["SELECT"],
        ),
        ("question/answer", {"question": "6*7?", "answer": "It is 42.\n#### 42"}, "6*7?", ["It is 42.\n#### 42"]),
        ("question/answer", {"question": "6*7?", "answer": 42}, "6*7?", ["42"]),
        ("question/answer", {"question": "is it", "answer": True, "passage": "It is."}, "It is.\n\nis it", ["yes"]),
        ("question/answer", {"question": "Who?", "answer": {"value": "Ann", "aliases": ["A."]}}, "Who?", ["Ann", "A."]),
        ("question/choices/answer", {"question": "Which?", "choices": CHOICES, "answer": 1}, LETTERED, ["B", "blue"]),
        ("question/choices/answer", {"question": "Which?", "choices": CHOICES, "answer": "C"}, LETTERED, ["C", "1"]),
        (
            "question/answerKey",
            {"question": "Which?", "choices": ARC, "answerKey": "2"},
            "Which?\nA. red\nB. blue",
            ["B", "blue"],
        ),
        (
            "question/options/answer",
            {"article": "Once.", "question": "Which?", "options": ["a", "b"], "answer": "A"},
            "Once.\n\nWhich?\nA. a\nB. b",
            ["A", "a"],
        ),
        (
            "question/options/correct",
            {"question": "?", "options": ["A)1", "B)2"], "correct": "B"},
            "?\nA)1\nB)2",
            ["B", "B)2"],
        ),
        (
            "ctx/endings/label",
            {"ctx": "He", "endings": ["sat", "ran"], "label": "1"},
            "He\nA. sat\nB. ran",
            ["B", "ran"],
        ),
        ("problem/solution", {"problem": "p", "solution": "so \\boxed{3}", "answer": "3"}, "p", ["so \\boxed{3}", "3"]),
        (
            "Body/Question/Answer",
            {"Body": "2 cats.", "Question": "How many?", "Answer": 2.0},
            "2 cats. How many?",
            ["2.0"],
        ),
        (
            "premise/hypothesis/label",
            {"premise": "a", "hypothesis": "b", "label": 0},
            "premise: a\nhypothesis: b",
            ["0"],
        ),
        ("text/intent", {"text": "turn it on", "intent": "on"}, "turn it on", ["on"]),
        ("document/summary", {"document": "long", "summary": "short"}, "long", ["short"]),
        (
            "prompt/canonical_solution",
            {"prompt": "def f():", "canonical_solution": " return 1"},
            "def f():",
            [" return 1"],
        ),
    ],
)
def test_rows_of_public_sets_are_read_alike_by_the_planner_and_by_the_executors(
    tmp_path: Path, shape: str, record: dict[str, Any], prompt: str, accepted: list[str]
) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([record], indent=1))
    found = read_file(path)
    assert found.shape == shape
    assert (found.rows[0].prompt, list(found.rows[0].accepted)) == (prompt, accepted)
    assert found.rows[0].db_id == record.get("db_id", "")
    assert shape_of(record) == shape
    assert example_of(record, shape)[:2] == (prompt, accepted[0])


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"question": "?", "choices": ["a", "b"], "answer": 2}, "`answer` is 2, which is none of the 2 choices"),
        ({"question": "?", "choices": ["a"], "answer": 0}, "no list of two or more texts"),
        ({"question": "?", "choices": "a", "answer": 0}, "no list of two or more texts"),
        ({"question": "?", "query": None}, "`query` is null, not text"),
        ({"question": "?", "answer": {"a": 1}}, "`answer` is an object, not a text or a list of texts"),
    ],
)
def test_a_row_of_a_public_shape_that_says_nothing_is_told(tmp_path: Path, record: dict[str, Any], said: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text(json.dumps(record), encoding="utf-8")
    with pytest.raises(InputError) as error:
        read_file(path)
    assert said in str(error.value)
    with pytest.raises(RowError, match=re.escape(said)):
        example_of(record, str(shape_of(record)))
