"""Results of other tools: hand-made files in the shapes that the tools write."""

from __future__ import annotations

import json
import zipfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executors.diagnose.results import read_results
from planner.documents import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def write(path: Path, *records: Any) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "record",
    [
        {"prompt": "Capital?", "expected": "Paris", "prediction": "Rome"},
        {"question": "Capital?", "answer": "Paris", "output": "Rome"},
        {"input": "Capital?", "target": "Paris", "response": "Rome"},
        {"question": "Capital?", "expected": "Paris", "answer": "Rome"},
        {"messages": [{"role": "user", "content": "Capital?"}], "expected": ["Paris"], "completion": "Rome"},
        {"question": "Capital?", "answers": {"text": ["Paris"]}, "prediction": "Rome"},
    ],
)
def test_plain_rows_are_read_under_the_names_that_people_give(tmp_path: Path, record: dict[str, Any]) -> None:
    results = read_results(write(tmp_path / "rows.jsonl", record))
    (case,) = results.answered
    assert results.tool == "plain rows"
    assert (case.row.prompt, case.row.completion, case.prediction) == ("Capital?", "Paris", "Rome")
    assert case.row.id == "row-1"


def test_values_become_texts_and_lists_several_accepted_answers(tmp_path: Path) -> None:
    results = read_results(
        write(
            tmp_path / "rows.jsonl",
            {"id": 7, "prompt": "a", "expected": {"b": 1}, "prediction": {"b": 2}, "gold": "d1", "passages": ["d2"]},
            {"id": 7, "prompt": "a", "expected": ["x", "y"], "prediction": "z", "passed": False, "context": "Long."},
        )
    )
    first, second = results.answered
    assert (first.row.completion, first.prediction, first.row.gold, first.given) == (
        '{"b":1}',
        '{"b":2}',
        ("d1",),
        ("d2",),
    )
    assert second.row.accepted == ("x", "y")
    assert (first.row.id, second.row.id) == ("7", "7#2")
    assert second.row.prompt == "Long.\n\na"
    assert second.passed is False


def test_our_own_predictions_are_known(tmp_path: Path) -> None:
    record = {"id": "r", "prompt": "p", "expected": "e", "prediction": "q", "tokens": 3, "scores": {"exact_match": 0}}
    assert "adapt run" in read_results(write(tmp_path / "predictions", record)).tool


def test_a_list_in_one_document_is_rows_too(tmp_path: Path) -> None:
    path = tmp_path / "rows.json"
    path.write_text(json.dumps([{"prompt": "p", "expected": "e", "prediction": "q"}] * 2), encoding="utf-8")
    assert len(read_results(path).answered) == 2


def promptfoo_result(**changed: Any) -> dict[str, Any]:
    assertion = {"type": "icontains", "value": "{{capital}}"}
    result: dict[str, Any] = {
        "promptIdx": 0,
        "testIdx": 3,
        "testCase": {"vars": {"country": "France", "capital": "Paris"}, "assert": [assertion]},
        "prompt": {"raw": "What is the capital of France?", "label": "ask"},
        "vars": {"country": "France", "capital": "Paris"},
        "response": {"output": "It is Rome.", "tokenUsage": {}},
        "success": False,
        "score": 0,
        "failureReason": 1,
        "gradingResult": {"pass": False, "score": 0, "componentResults": [{"pass": False, "assertion": assertion}]},
        "provider": {"id": "openai:gpt-4o-mini"},
        "latencyMs": 5,
    }
    return result | changed


def test_an_output_of_promptfoo_is_recognised_with_its_assertions(tmp_path: Path) -> None:
    results = [promptfoo_result(), promptfoo_result(response=None, error="timeout", testIdx=4)]
    document = {"evalId": "eval-1", "results": {"version": 3, "timestamp": "", "prompts": [], "results": results}}
    path = write(tmp_path / "results.json", document)
    read = read_results(path)
    (case,) = read.answered
    assert (read.tool, read.skipped) == ("promptfoo output", 1)
    assert (case.row.id, case.row.prompt) == ("test-3-0", "What is the capital of France?")
    assert (case.row.completion, case.prediction, case.passed) == ("Paris", "It is Rome.", False)


def test_promptfoos_older_and_line_wise_outputs_and_chats_are_read(tmp_path: Path) -> None:
    chat = json.dumps([{"role": "system", "content": "Be short."}, {"role": "user", "content": "Capital?"}])
    plain = promptfoo_result(
        prompt={"raw": chat},
        testCase={"vars": {}, "assert": [{"type": "llm-rubric", "value": "polite"}]},
        gradingResult=None,
        vars={"question": "Capital?", "expected": ["Paris", "Lutetia"]},
        response={"output": {"city": "Rome"}},
    )
    old = write(tmp_path / "old.json", {"results": {"version": 2, "results": [plain], "table": {}}, "config": {}})
    (case,) = read_results(old).answered
    assert (case.row.prompt, case.row.before) == ("Capital?", ({"role": "system", "content": "Be short."},))
    assert (case.row.accepted, case.prediction) == (("Paris", "Lutetia"), '{"city":"Rome"}')
    lines = write(tmp_path / "lines.jsonl", promptfoo_result(), promptfoo_result(testIdx=4, success=True))
    assert [each.passed for each in read_results(lines).answered] == [False, True]


def lm_eval_sample(**changed: Any) -> dict[str, Any]:
    sample: dict[str, Any] = {
        "doc_id": 5,
        "doc": {"question": "2+2?"},
        "target": "4",
        "arguments": {"gen_args_0": {"arg_0": "Q: 2+2?\nA:", "arg_1": {"until": ["\n"]}}},
        "resps": [["It is 5."]],
        "filtered_resps": ["5"],
        "filter": "strict-match",
        "metrics": ["exact_match"],
        "exact_match": 0.0,
        "doc_hash": "a",
        "prompt_hash": "b",
        "target_hash": "c",
    }
    return sample | changed


def test_samples_of_the_harness_are_recognised_and_read_once_a_filter(tmp_path: Path) -> None:
    path = write(
        tmp_path / "samples_gsm8k_2026.jsonl",
        lm_eval_sample(),
        lm_eval_sample(filter="flexible-extract", exact_match=1.0),
        lm_eval_sample(doc_id=6, target="['4', 'four']", filtered_resps=[["four"]], exact_match=1.0),
    )
    read = read_results(path)
    first, second = read.answered
    assert read.tool == "lm-evaluation-harness samples"
    assert (first.row.id, first.row.prompt, first.prediction, first.passed) == ("5", "Q: 2+2?\nA:", "5", False)
    assert (second.row.accepted, second.prediction, second.passed) == (("4", "four"), "four", True)


@pytest.mark.parametrize(
    "responses",
    [
        [["-2.5", "False"], ["-0.5", "True"]],
        [[[-2.5, False]], [[-0.5, True]]],
    ],
)
def test_of_choices_the_likeliest_is_the_answer(tmp_path: Path, responses: list[Any]) -> None:
    choices = {
        f"gen_args_{at}": {"arg_0": "The sky is", "arg_1": f" {word}"} for at, word in enumerate(("red", "blue"))
    }
    sample = lm_eval_sample(target="0", arguments=choices, resps=responses, filtered_resps=responses, acc=0.0)
    del sample["exact_match"]
    (case,) = read_results(write(tmp_path / "samples.jsonl", sample)).answered
    assert (case.row.completion, case.prediction, case.passed) == ("red", "blue", False)


def inspect_sample(**changed: Any) -> dict[str, Any]:
    sample: dict[str, Any] = {
        "id": 1,
        "epoch": 1,
        "input": [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Capital?"}],
        "target": ["Paris"],
        "messages": [],
        "output": {"model": "m", "choices": [{"message": {"role": "assistant", "content": "Rome"}}]},
        "scores": {"match": {"value": "I", "answer": "Rome"}},
        "attachments": {},
    }
    return sample | changed


def test_a_log_of_inspect_is_recognised(tmp_path: Path) -> None:
    samples = [
        inspect_sample(),
        inspect_sample(id=2, epoch=2, scores={"match": {"value": "C"}}, target="B", choices=["Rome", "Paris"]),
        inspect_sample(
            id=3, input="attachment://aa", attachments={"aa": "Long?"}, output={"completion": "x"}, scores={}
        ),
        inspect_sample(id=4, output={"choices": []}, error={"message": "timeout"}),
    ]
    read = read_results(
        write(tmp_path / "log.json", {"version": 2, "status": "success", "eval": {}, "samples": samples})
    )
    first, second, third = read.answered
    assert (read.tool, read.skipped) == ("Inspect log", 1)
    assert (first.row.prompt, first.prediction, first.passed) == ("Capital?", "Rome", False)
    assert (second.row.id, second.passed) == ("2-epoch-2", True)
    assert second.row.prompt.endswith("A) Rome\nB) Paris")
    assert (third.row.prompt, third.prediction, third.passed) == ("Long?", "x", None)


def test_an_archive_of_inspect_is_read_as_well(tmp_path: Path) -> None:
    path = tmp_path / "log.eval"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("header.json", "{}")
        archive.writestr("samples/1_epoch_1.json", json.dumps(inspect_sample()))
    read = read_results(path)
    assert (read.tool, len(read.answered)) == ("Inspect log", 1)


GOOD = {"prompt": "p", "expected": "e", "prediction": "q"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b" \n\n", "empty"),
        (b"\x89PNG\x00\x00\x01\x02", "binary"),
        (b'{"prompt": "a\x00b"}', "binary"),
        (b"PK\x03\x04 broken", "archive cannot be read"),
        (b"prompt,expected\na,b\n", "Line 1 is not JSON"),
        (json.dumps(GOOD).encode() + b'\n{"prompt": ', "Line 2 is not JSON"),
        (b"[" * 100_000, "Line 1 is not JSON"),
        (b"42", "no JSON object"),
        (b"[]", "no JSON object"),
        (b'{"a": 1, "b": 2}\n{"a": 1}\n', "The rows have the fields a, b"),
        (b'{"prompt": "p", "prediction": "q"}\n', "None of the 1 cases has an expected answer"),
        (b'{"eval": {}, "samples": []}', "None of the 0 cases"),
        (b'{"doc_id": 1, "resps": [["a"]], "arguments": 5, "target": "b"}', "Case 1 cannot be read as lm-eval"),
        (b'{"eval": {}, "samples": [{"id": 1}]}', "Case 1 cannot be read as Inspect"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "results.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_results(path)
    (finding,) = caught.value.findings
    assert finding.fix
    assert finding.where is not None
    assert finding.where.file == str(path)


def test_an_archive_without_samples_is_one_sentence(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    with pytest.raises(InputError, match="no samples of an Inspect log"):
        read_results(tmp_path / "other.zip")


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_results(tmp_path / "gone.jsonl")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.parametrize("make", [promptfoo_result, lm_eval_sample, inspect_sample, lambda **changed: GOOD | changed])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_stands_in_a_field_is_read_or_refused_in_a_sentence(
    make: Callable[..., dict[str, Any]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    names = data.draw(st.lists(st.sampled_from(sorted(make())), min_size=1, max_size=3))
    record: Any = make(**{name: data.draw(VALUES) for name in names})
    if make is inspect_sample:
        record = {"eval": {}, "samples": [record]}
    path = write(tmp_path_factory.mktemp("fuzz") / "results.json", record)
    try:
        results = read_results(path)
    except InputError as error:
        assert len(error.findings) == 1
    else:
        assert all(isinstance(case.prediction, str) for case in results.answered)
        assert all(isinstance(text, str) for case in results.answered for text in case.row.accepted)
        assert all(isinstance(case.row.prompt, str) for case in results.answered)
