"""Data files are read once: shape, size, lengths, repetitions, and what is wrong at its line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.documents import InputError
from planner.survey import DataSurvey, survey, survey_data
from planner.survey.data_files import look_at_data
from tests.planner.survey.conftest import pair, problems_of, spec_of, write_rows

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, rows: list[Any], **spec: Any) -> DataSurvey:
    write_rows(folder / "train.jsonl", rows)
    return survey_data(spec_of(data={"train": "train.jsonl"}, **spec), folder)["train"]


def warnings_of(folder: Path, rows: list[Any], **spec: Any) -> str:
    write_rows(folder / "train.jsonl", rows)
    _, found = look_at_data(spec_of(data={"train": "train.jsonl"}, **spec), folder)
    assert all(finding.severity == "warning" for finding in found)
    return "\n".join(map(str, found))


USER, BOT = {"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}


@pytest.mark.parametrize(
    ("shape", "row"),
    [
        ("messages", {"messages": [{"role": "system", "content": "be kind"}, USER, BOT]}),
        ("conversations", {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}),
        ("prompt/completion", {"prompt": "hi", "completion": "hello"}),
        ("prompt/completion", {"prompt": [USER], "completion": [BOT]}),
        ("prompt/completion", {"prompt": "hi", "completion": {"a": 1}}),
        ("prompt/completion", {"prompt": "hi", "completion": "hello", "label": "greeting"}),
        ("prompt/completion/label", {"prompt": "hi", "completion": "hello", "label": True}),
        ("instruction/input/output", {"instruction": "say", "output": "hello"}),
        ("instruction/input/output", {"instruction": "say", "input": "hi", "output": "hello"}),
        ("prompt/chosen/rejected", {"prompt": "hi", "chosen": "hello", "rejected": "no"}),
        ("prompt/chosen/rejected", {"chosen": [USER, BOT], "rejected": [USER, {"role": "assistant", "content": "no"}]}),
        ("text", {"text": "once upon a time"}),
        ("text/label", {"text": "great", "label": "good"}),
        ("prompt/label", {"prompt": "great", "label": "good"}),
        ("question/answers", {"question": "who?", "answers": ["Ann", "Anna"], "gold": "family#1"}),
        ("question/answers", {"question": "who?", "answers": {"text": ["Ann"]}, "context": "Ann came."}),
        ("question/answer", {"question": "who?", "answer": "Ann", "gold": ["a", "b"]}),
    ],
)
def test_the_shape_is_detected_and_said(tmp_path: Path, shape: str, row: dict[str, Any]) -> None:
    role = {"prompt/completion/label": "preferences", "prompt/chosen/rejected": "preferences", "text": "documents"}
    write_rows(tmp_path / "rows.jsonl", [row])
    (found,) = survey_data(spec_of(data={role.get(shape, "train"): "rows.jsonl"}), tmp_path).values()
    assert (found.shape, found.rows, found.source) == (shape, 1, "file")
    assert found.tokens is not None
    assert found.token_source.startswith("estimated, one token for 3.6 UTF-8 bytes")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "`train.jsonl` is empty."),
        (b"\n \n", "`train.jsonl` is empty."),
        (b'{"prompt": "a", "completion": "b"}\n{"prompt": "a", "comp', "train.jsonl:2: The file is truncated"),
        (b'{"prompt": "a", "completion": "b"}\n{"prompt": "a" "x"}\n', "train.jsonl:2: The line is not valid JSON"),
        (b'{"prompt": "a", "completion": "b"}\n{"text": "a"}\n', "train.jsonl:2: The row has the shape text"),
        (b'{"prompt": "\xe9", "completion": "b"}\n', "train.jsonl:1: The line is not UTF-8: byte 0xe9 at byte 13"),
        (b"\xff\xfe{\x00", "is UTF-16"),
        (b"[1]\n", "train.jsonl:1: The row is [1], not a JSON object."),
        (b"3\n", "train.jsonl:1: The row is 3"),
        (b'[{"prompt": "a"}]', "None of the 1 row has an answer."),
        (b'[\n{"prompt": "a", "completion": "b"},\n{"prompt": 1, "completion": "b"}]', "Row 2: The row cannot be used"),
        (b'[\n{"prompt": "a"}\n', "neither JSON Lines nor one JSON list"),
        (b'[\n{"prompt": "a"}, 3]', "neither JSON Lines nor one JSON list"),
        (b'{\n"prompt": "a"}', "spreads a JSON object over several lines"),
        (b'{"prompt": " ", "completion": "b"}\n', "train.jsonl:1: The row cannot be used: `prompt` is blank."),
        (b'{"prompt": 3, "completion": "b"}\n', "`prompt` is a number, not text"),
        (b'{"prompt": "a", "completion": null}\n', "`completion` is null"),
        (b'{"completion": "b"}\n', "The row has `completion` and no `prompt`."),
        (b'{"promt": "a", "completion": "b"}\n', "Did you mean `prompt`?"),
        (b'{"prompt": "a", "competion": "b"}\n', "Did you mean `completion`?"),
        (b'{"topic": "a"}\n', "the fields topic, which is no shape that is known"),
        (b"{}\n", "no fields"),
        (b'{"messages": []}\n', "`messages` is an empty list"),
        (b'{"messages": [{"role": "user"}]}\n', "`messages[0]` has no content"),
        (b'{"messages": "hi"}\n', "`messages` is text, not a list"),
        (b'{"text": NaN}\n', "NaN is no JSON number"),
        (b'{"text": "\\ud800"}\n', "half of a surrogate pair"),
        (b"[" * 100_000, "train.jsonl:1: The line is not valid JSON"),
        (b'{"id": 1, "text": "a"}\n{"id": 1, "text": "b"}\n', "The id `1` stands already in line 1."),
        (b'{"prompt": "a"}\n', "None of the 1 row has an answer."),
    ],
)
def test_a_bad_file_gets_one_sentence_with_its_line(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "train.jsonl").write_bytes(content)
    lines = problems_of(lambda: survey_data(spec_of(data={"train": "train.jsonl"}), tmp_path))
    assert said in lines[0]


def test_a_problem_that_repeats_is_told_a_few_times_and_counted(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("7\n" * 100)
    lines = problems_of(lambda: survey_data(spec_of(data={"train": "train.jsonl"}), tmp_path))
    assert len(lines) == 4
    assert "97 more lines with this problem." in lines[-1]


def test_other_formats_and_folders_are_named(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b")
    assert "is CSV" in problems_of(lambda: survey_data(spec_of(data={"train": "train.csv"}), tmp_path))[0]
    assert "is a folder" in problems_of(lambda: survey_data(spec_of(data={"train": "."}), tmp_path))[0]
    assert "does not exist" in problems_of(lambda: survey_data(spec_of(data={"train": "a.jsonl"}), tmp_path))[0]


def test_test_rows_in_the_training_data_are_refused_with_their_ids(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [pair(number) for number in range(10)])
    write_rows(tmp_path / "test.jsonl", [pair(100), pair(101, "  PROMPT  3 "), pair(102, "prompt 4")])
    spec = spec_of(data={"train": "train.jsonl", "test": "test.jsonl"})
    (line,) = problems_of(lambda: survey_data(spec, tmp_path))
    assert "test.jsonl: 2 test rows stand in the training data `train.jsonl` too: r101, r102." in line
    assert "Take them out of the training data" in line


def test_validation_rows_that_overlap_are_a_warning(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [pair(1), pair(2)])
    write_rows(tmp_path / "valid.jsonl", [pair(2), pair(3)])
    found = survey(spec_of(data={"train": "train.jsonl", "validation": "valid.jsonl"}), tmp_path)
    assert [(each.other, each.rows, each.ids) for each in found.data["validation"].overlaps] == [("train", 1, ("r2",))]
    assert [finding.code for finding in found.findings] == ["DATA031"]


def test_another_evaluation_file_is_surveyed_too(tmp_path: Path) -> None:
    write_rows(tmp_path / "train.jsonl", [pair(1)])
    write_rows(tmp_path / "extra.jsonl", [pair(1)])
    spec = spec_of(data={"train": "train.jsonl"}, evaluation={"data": "extra.jsonl"})
    assert "1 test row stands" in problems_of(lambda: survey_data(spec, tmp_path))[0]
    same = spec_of(data={"train": "train.jsonl"}, evaluation={"data": "train.jsonl"})
    assert set(survey_data(same, tmp_path)) == {"train"}


def test_repetitions_and_contradictions_are_counted(tmp_path: Path) -> None:
    rows = [pair(1), pair(2, "Prompt 1", "answer 1"), pair(3, "prompt 1", "other"), pair(4)]
    found = read(tmp_path, rows)
    assert (found.rows, found.duplicates, found.conflicts) == (4, 1, 1)
    assert "repeat a prompt with another answer" in warnings_of(tmp_path, rows)


def test_labels_are_found_and_compared_with_those_of_the_task(tmp_path: Path) -> None:
    rows = [pair(number, completion=["yes", "no", "no"][number % 3]) for number in range(30)]
    found = read(tmp_path, rows)
    assert found.labels == {"no": 20, "yes": 10}
    assert found.label_share == pytest.approx(2 / 3, abs=1e-3)
    task = {"description": "x", "output": {"format": "label", "labels": ["Yes", "no"]}}
    assert "10 rows have an answer that is not among the labels: yes." in warnings_of(tmp_path, rows, task=task)


def test_free_text_has_no_labels(tmp_path: Path) -> None:
    assert read(tmp_path, [pair(number) for number in range(30)]).labels == {}


def test_json_answers_are_told_from_prose_and_from_what_the_prompt_holds(tmp_path: Path) -> None:
    task = {"description": "x", "output": {"format": "json"}}
    good = pair(1, "play Blue Train", '{"item": "blue train"}')
    found = read(tmp_path, [good, pair(2, "stop", "well, stop")], task=task)
    assert (found.json_share, found.grounded_share) == (0.5, 0.5)
    assert "50.0% of the answers" in warnings_of(tmp_path, [good, pair(2, "stop", "ok")], task=task)


def test_empty_answers_are_counted(tmp_path: Path) -> None:
    rows = [pair(1), {"id": "x", "prompt": "a", "completion": ""}]
    assert read(tmp_path, rows).empty_completions == 1
    assert "1 row of 2 have no answer: x." in warnings_of(tmp_path, rows)


def test_lengths_of_a_large_file_rest_on_a_sample_that_order_cannot_change(tmp_path: Path) -> None:
    rows = [pair(number, completion="word " * (number % 50 + 1)) for number in range(2000)]
    rows.append(pair(5000, completion="long " * 3000))
    one, other = read(tmp_path, rows), read(tmp_path, rows[::-1])
    assert one.sampled_rows == 512
    assert one.tokens == other.tokens
    assert one.completion_tokens is not None
    assert one.completion_tokens.max > 4000
    assert "on a sample of 512 of 2,001 rows" in one.token_source


def test_declared_data_keeps_what_is_said_of_it(tmp_path: Path) -> None:
    found = survey_data(spec_of(data={"train": {"examples": 5, "quality": "noisy", "mean_tokens": 40}}), tmp_path)[
        "train"
    ]
    assert (found.source, found.rows, found.quality, found.mean_tokens) == ("declared", 5, "noisy", 40)
    assert found.tokens is None


def test_documents_that_cannot_be_read_stop_the_others_only_where_there_are_none(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    folder.mkdir()
    for name, content in (("a.txt", b"\xff\xfe\x81"), ("b.md", b"abc\x00"), ("c.html", b" ")):
        (folder / name).write_bytes(content)
    document = spec_of(data={"documents": "docs"})
    (line,) = problems_of(lambda: survey_data(document, tmp_path))
    assert "`docs/a.txt` is not UTF-8; `docs/b.md` is binary; `docs/c.html` holds no text." in line
    (folder / "manual.pdf").write_bytes(b"%PDF-1.7")
    surveys, findings = look_at_data(document, tmp_path)
    assert (surveys["documents"].rows, surveys["documents"].tokens) == (4, None)
    assert [(each.code, each.severity) for each in findings] == [("DATA045", "warning")]
    (folder / "d.txt").write_text("It is 4294 km long.")
    surveys, findings = look_at_data(document, tmp_path)
    assert surveys["documents"].tokens is not None
    assert "left out of the index" in findings[0].fix


def test_documents_are_a_folder_or_rows_of_text(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.md").write_text("# One")
    (folder / "sub" / "b.txt").write_text("Two two")
    (folder / ".hidden").write_text("x")
    (folder / "c.jsonl").write_text('{"text": "three"}\n{"text": "four"}\n')
    found = survey_data(spec_of(data={"documents": "docs"}), tmp_path)["documents"]
    assert (found.source, found.files, found.rows, found.shape) == ("folder", 3, 4, "text")
    write_rows(tmp_path / "corpus.jsonl", [{"id": "a", "title": "t", "text": "five"}])
    found = survey_data(spec_of(data={"documents": "corpus.jsonl"}), tmp_path)["documents"]
    assert (found.source, found.rows, found.shape) == ("file", 1, "text")
    (tmp_path / "none").mkdir()
    assert "holds no documents" in problems_of(lambda: survey_data(spec_of(data={"documents": "none"}), tmp_path))[0]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(content=st.binary(max_size=300))
def test_any_bytes_are_rows_or_findings(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "train.jsonl").write_bytes(content)
    surveys, found = look_at_data(spec_of(data={"train": "train.jsonl"}), tmp_path)
    assert surveys or any(finding.severity == "error" for finding in found)


VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["role", "content", "from", "value", "text"]), inner, max_size=3)
    ),
    max_leaves=8,
)
ROWS = st.dictionaries(
    st.sampled_from(["prompt", "completion", "messages", "conversations", "text", "chosen", "rejected", "label", "id"]),
    VALUES,
    max_size=5,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(rows=st.lists(ROWS, max_size=4))
def test_any_rows_are_read_or_refused(tmp_path: Path, rows: list[dict[str, Any]]) -> None:
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)))
    try:
        survey_data(spec_of(data={"train": "train.jsonl"}), tmp_path)
    except InputError as error:
        assert all(finding.message for finding in error.findings)


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"question": "who?", "answers": {"a": 3}}, "`answers` is an object, not a text or a list of texts"),
        ({"question": "who?", "answers": ["Ann", [3]]}, "`answers` is a list, not a text or a list of texts"),
        ({"question": "who?", "answer": None}, "`answer` is null, not a text"),
        ({"question": " ", "answer": "Ann"}, "`question` is blank"),
        ({"question": "who?", "answer": "Ann", "gold": {"id": 1}}, "`gold` is an object, not the id of a document"),
        ({"question": "who?", "answer": "Ann", "context": ["Ann came."]}, "`context` is a list, not text"),
    ],
)
def test_a_question_that_cannot_be_asked_is_told_with_its_line(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, [row])
    assert said in str(error.value)
    assert "train.jsonl:1" in str(error.value)


def test_rows_that_compare_an_answer_with_itself_are_refused(tmp_path: Path) -> None:
    rejected = ("no", "yes ")
    rows = [{"id": f"r{at}", "prompt": f"ask {at}", "chosen": "yes", "rejected": rejected[at]} for at in (0, 1)]
    write_rows(tmp_path / "p.jsonl", rows)
    _, findings = look_at_data(spec_of(data={"preferences": "p.jsonl"}), tmp_path)
    [finding] = [each for each in findings if each.code == "DATA049"]
    assert finding.severity == "error"
    assert "1 row of 2 compare an answer with itself: r1" in finding.message
