from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.data import Row, read_file, read_rows
from planner.documents import InputError
from planner.survey.rows import RowError, example_of

if TYPE_CHECKING:
    from pathlib import Path

USER = {"role": "user", "content": "hi"}
BOT = {"role": "assistant", "content": "yes"}


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("shape", "record", "prompt", "completion"),
    [
        ("messages", {"messages": [USER, BOT]}, "hi", "yes"),
        (
            "conversations",
            {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "yes"}]},
            "hi",
            "yes",
        ),
        ("instruction/output", {"instruction": "do", "input": "this", "output": "yes"}, "do\n\nthis", "yes"),
        ("instruction/output", {"instruction": "do", "output": "yes"}, "do", "yes"),
        ("prompt/completion", {"prompt": "hi", "completion": {"b": 1, "a": "é"}}, "hi", '{"a":"é","b":1}'),
        ("prompt/label", {"prompt": "hi", "label": "yes"}, "hi", "yes"),
        ("text/label", {"text": "hi", "label": "yes"}, "hi", "yes"),
        ("prompt", {"prompt": "hi"}, "hi", None),
        ("text", {"text": "all"}, "", "all"),
    ],
)
def test_a_shape_is_detected_and_brought_to_one_form(
    tmp_path: Path, shape: str, record: dict[str, Any], prompt: str, completion: str | None
) -> None:
    found = read_file(write(tmp_path / "d.jsonl", record))
    assert found.shape == shape
    assert found.rows == (Row("row-1", prompt, completion),)


def test_turns_before_the_last_request_are_kept(tmp_path: Path) -> None:
    row = read_rows(write(tmp_path / "d.jsonl", {"id": "a", "messages": [USER, BOT, {**USER, "content": "and?"}]}))[0]
    assert row == Row("a", "and?", None, (USER, BOT))


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=5))
def test_any_text_is_read_as_it_was_written(pairs: list[tuple[str, str]]) -> None:
    from pathlib import Path
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as folder:
        path = write(Path(folder) / "d.jsonl", *({"prompt": asked, "completion": said} for asked, said in pairs))
        assert [(row.prompt, row.completion) for row in read_rows(path)] == pairs


@pytest.mark.parametrize(
    ("content", "code", "line", "said"),
    [
        (b"", "DATA001", None, "holds no rows"),
        (b"\n\n", "DATA001", None, "holds no rows"),
        (b'{"prompt": "a"}\n{"prompt": "\xff"}\n', "DATA002", 2, "not UTF-8"),
        (b'{"prompt": "a"}\n{"prom', "DATA003", 2, "last line is cut off"),
        (b'{"prompt": a}\n{"prompt": "a"}\n', "DATA003", 1, "not JSON"),
        (b"[1]\n", "DATA003", 1, "holds a list"),
        (b'{"prompt": "a"}\n{"text": "a"}\n', "DATA004", 2, "line 1 has prompt"),
        (b'{"a": 1}\n', "DATA004", 1, "the fields a"),
        (b'{"prompt": 1}\n', "DATA005", 1, "prompt is a int"),
        (b'{"prompt": "a", "completion": null}\n', "DATA005", 1, "completion is null"),
        (b'{"messages": []}\n', "DATA005", 1, "empty"),
        (b'{"messages": [{"role": "assistant", "content": "a"}]}\n', "DATA005", 1, "does not follow"),
        (b'{"messages": [{"role": "tool", "content": "a"}]}\n', "DATA005", 1, "role 'tool'"),
        (b'{"id": "x", "prompt": "a"}\n{"id": "x", "prompt": "b"}\n', "DATA006", 2, "already on line 1"),
    ],
)
def test_bad_rows_are_one_sentence_with_file_and_line(
    tmp_path: Path, content: bytes, code: str, line: int | None, said: str
) -> None:
    path = tmp_path / "d.jsonl"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_rows(path)
    finding = caught.value.findings[0]
    assert (finding.code, finding.where.line, finding.where.file) == (code, line, str(path))
    assert said in finding.message


def test_a_missing_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: No such file"):
        read_rows(tmp_path / "none.jsonl")


def test_a_row_may_name_its_database(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"prompt": "how many", "completion": "SELECT 1", "db_id": "shop"}\n')
    [row] = read_rows(path)
    assert (row.db_id, row.slices) == ("shop", (("db_id", "shop"),))


ASKED = [{"role": "user", "content": "hi"}]
TRANSCRIPT = "\n\nHuman: hi\n\nAssistant: hello\n\nHuman: and?\n\nAssistant: "


@pytest.mark.parametrize(
    ("record", "before", "prompt"),
    [
        ({"prompt": "hi", "chosen": "yes", "rejected": "no"}, (), "hi"),
        ({"prompt": ASKED, "chosen": [BOT], "rejected": [{**BOT, "content": "no"}]}, (), "hi"),
        ({"prompt": "hi", "chosen": [*ASKED, BOT], "rejected": [*ASKED, {**BOT, "content": "no"}]}, (), "hi"),
        ({"chosen": [*ASKED, BOT], "rejected": [*ASKED, {**BOT, "content": "no"}]}, (), "hi"),
        ({"chosen": f"{TRANSCRIPT}yes", "rejected": f"{TRANSCRIPT}no"}, (USER, {**BOT, "content": "hello"}), "and?"),
        ({"prompt": TRANSCRIPT, "chosen": "yes", "rejected": "no"}, (USER, {**BOT, "content": "hello"}), "and?"),
        ({"instruction": "do", "input": "this", "chosen": "yes", "rejected": "no"}, (), "do\n\nthis"),
        (
            {"system": "short", "question": "hi", "chosen": "yes", "rejected": "no"},
            ({"role": "system", "content": "short"},),
            "hi",
        ),
        (
            {
                "conversations": [{"from": "human", "value": "hi"}],
                "chosen": {"from": "gpt", "value": "yes"},
                "rejected": {"from": "gpt", "value": "no"},
            },
            (),
            "hi",
        ),
    ],
)
def test_comparisons_are_read_in_the_shapes_that_people_have(
    tmp_path: Path, record: dict[str, Any], before: tuple[dict[str, str], ...], prompt: str
) -> None:
    found = read_file(write(tmp_path / "d.jsonl", record))
    assert found.shape == "prompt/chosen/rejected"
    assert found.rows == (Row("row-1", prompt, "yes", before, rejected="no"),)
    surveyed = example_of(record, "prompt/chosen/rejected")
    assert (surveyed.prompt.endswith(prompt), surveyed.completion, surveyed.rejected) == (True, "yes", "no")


def test_a_verdict_on_one_answer_is_read_and_a_label_of_a_class_is_not_one(tmp_path: Path) -> None:
    rows = [{"prompt": "hi", "completion": said, "label": said == "yes"} for said in ("yes", "no")]
    good, bad = read_rows(write(tmp_path / "d.jsonl", *rows))
    assert (good.completion, good.rejected, bad.completion, bad.rejected) == ("yes", None, None, "no")
    labelled = {"prompt": "hi", "completion": "yes", "label": "greeting"}
    assert read_file(write(tmp_path / "e.jsonl", labelled)).shape == "prompt/completion"


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ({"chosen": "yes", "rejected": "no"}, "has no prompt"),
        ({"prompt": "hi", "chosen": None, "rejected": "no"}, "`chosen` is null"),
        ({"prompt": " ", "chosen": "yes", "rejected": "no"}, "`prompt` is blank"),
        ({"chosen": [*ASKED, BOT], "rejected": [USER, BOT, USER, BOT]}, "different conversations"),
        ({"prompt": [USER, BOT], "chosen": "yes", "rejected": "no"}, "do not follow a turn of the user"),
        ({"prompt": "hi", "chosen": ASKED, "rejected": "no"}, "does not end with a turn of the assistant"),
    ],
)
def test_a_comparison_that_cannot_be_read_is_one_clause(tmp_path: Path, record: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_rows(write(tmp_path / "d.jsonl", record))
    with pytest.raises(RowError, match=said):
        example_of(record, "prompt/chosen/rejected")
