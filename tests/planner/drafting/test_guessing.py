"""Guesses of a task from its rows: the kind, the form of the answers, the roles of files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError, Spec, validate
from planner.drafting import Answers, Draft, draft, spec_as_yaml
from planner.survey.spec_syntax import parse_text

if TYPE_CHECKING:
    from pathlib import Path

LONG = "The river rose in the night and the old mill by the bridge stood under water until noon. " * 12


def rows(make: Any, count: int = 60) -> list[dict[str, Any]]:
    return [make(number) for number in range(count)]


def pair(prompt: str, completion: str) -> dict[str, str]:
    return {"prompt": prompt, "completion": completion}


def drafted(folder: Path, wanted: list[dict[str, Any]], answers: Answers | None = None, name: str = "rows") -> Draft:
    path = folder / f"{name}.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in wanted), encoding="utf-8")
    return draft({"data": path}, folder, answers)


CASES = {
    "labels": (
        lambda i: pair(f"ticket number {i} is lost", ["bug", "billing", "other"][i % 3]),
        ("classification", "label"),
    ),
    "extraction": (
        lambda i: pair(f"fly to town{i} with carrier{i}", json.dumps({"to": f"town{i}", "by": f"carrier{i}"})),
        ("extraction", "json"),
    ),
    "json from elsewhere": (
        lambda i: pair(f"request {i}", json.dumps({"tool": f"t{i * 7}", "level": f"v{i * 3}x"})),
        ("semantic-parsing", "json"),
    ),
    "sql": (lambda i: pair(f"how many in {i}", f"SELECT n FROM t{i}"), ("semantic-parsing", "sql")),  # noqa: S608
    "code": (lambda i: pair(f"a function for {i}", f"def f{i}(x):\n    return x + {i}"), ("code", "code")),
    "html": (lambda i: pair(f"a page on {i}", f"<div><p>{i}</p></div>"), ("generation", "html")),
    "yaml": (lambda i: pair(f"a job {i}", f"job: j{i}\nsteps:\n  - run: x{i}"), ("semantic-parsing", "yaml")),
    "summaries": (lambda i: pair(f"{LONG} Part {i}.", f"A flood, part {i}."), ("summarization", "text")),
    "questions": (lambda i: pair(f"Who wrote book {i}?", f"Author {i}"), ("question-answering", "text")),
    "passages": (
        lambda i: pair(f"{LONG}\nIn year {i} it was dry.\nWhen was it dry?", f"year {i}"),
        ("question-answering", "text"),
    ),
    "translation": (lambda i: pair(f"Translate into French: house {i}", f"maison {i}"), ("translation", "text")),
    "rewriting": (
        lambda i: pair(f"he go to town {i} yesterday", f"he went to town {i} yesterday"),
        ("rewriting", "text"),
    ),
    "chat": (
        lambda i: {
            "messages": [
                {"role": "user", "content": f"hello {i}"},
                {"role": "assistant", "content": f"good day {i}"},
                {"role": "user", "content": "and now"},
                {"role": "assistant", "content": f"goodbye {i}"},
            ]
        },
        ("chat", "text"),
    ),
    "anything": (lambda i: pair(f"topic {i}", f"a poem of seasons and of stones, {i} " * 9), ("generation", "text")),
}


@pytest.mark.parametrize("name", CASES)
def test_kind_and_form_are_guessed_from_the_rows_and_marked(name: str, tmp_path: Path) -> None:
    make, expected = CASES[name]
    found = drafted(tmp_path, rows(make))
    task = found.spec["task"]
    assert (task["kind"], task["output"]["format"]) == expected
    guessed = {guess.pointer: guess for guess in found.guesses}
    assert {"/task/kind", "/task/output/format", "/task/description", "/models", "/hardware"} <= set(guessed)
    assert all(guess.because for guess in found.guesses)
    assert parse_text(spec_as_yaml(found), "spec.yaml") == found.spec
    validate(Spec, found.spec, code="SPEC")


def test_labels_are_listed_and_named_in_the_description(tmp_path: Path) -> None:
    task = drafted(tmp_path, rows(CASES["labels"][0])).spec["task"]
    assert task["output"]["labels"] == ["billing", "bug", "other"]
    assert "billing, bug, other" in task["description"]


def test_a_simple_schema_is_inferred_with_types_required_keys_and_closed_words(tmp_path: Path) -> None:
    def make(number: int) -> dict[str, str]:
        answer = {
            "level": ["low", "high"][number % 2],
            "count": number,
            "town": f"town{number}",
            "tags": [f"t{number}"],
        }
        return pair(f"t{number} {number} a", json.dumps(answer if number else answer | {"note": None}))

    schema = drafted(tmp_path, rows(make)).spec["task"]["output"]["schema"]
    assert schema["properties"] == {
        "count": {"type": "integer"},
        "level": {"type": "string", "enum": ["high", "low"]},
        "note": {"type": "null"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "town": {"type": "string"},
    }
    assert schema["required"] == ["count", "level", "tags", "town"]


def test_an_instruction_that_most_prompts_share_is_the_description(tmp_path: Path) -> None:
    found = drafted(tmp_path, rows(lambda i: pair(f"Write a headline.\nStory {i}", f"Headline {i}")))
    assert found.spec["task"]["description"] == "Write a headline."


def test_what_is_said_is_no_guess(tmp_path: Path) -> None:
    said = Answers(
        name="mine",
        description="Sort them",
        kind="chat",
        output_format="text",
        models=("openai-community/gpt2",),
        hardware="a10g",
        metrics=("accuracy",),
        target={"accuracy": 0.9},
    )
    found = drafted(tmp_path, rows(CASES["labels"][0]), said)
    assert [guess.pointer for guess in found.guesses] == ["/data/train"]
    assert found.spec["evaluation"] == {"metrics": ["accuracy"], "target": {"accuracy": 0.9}}
    assert "labels" not in found.spec["task"]["output"]


@pytest.mark.parametrize(
    ("row", "role"),
    [
        ({"prompt": "p", "chosen": "good", "rejected": "bad"}, "preferences"),
        ({"text": "a passage"}, "documents"),
        ({"prompt": "p", "completion": "c"}, "train"),
    ],
)
def test_the_role_of_a_file_follows_from_its_rows(row: dict[str, str], role: str, tmp_path: Path) -> None:
    found = drafted(tmp_path, rows(lambda i: {name: f"{text} {i}" for name, text in row.items()}))
    assert list(found.spec["data"]) == [role]


def test_files_beside_it_are_taken_along_by_their_names(tmp_path: Path) -> None:
    for name, start in (("valid", 1000), ("test", 2000)):
        text = "".join(f"{json.dumps(pair(f'ticket {start + i}', 'bug'))}\n" for i in range(9))
        (tmp_path / f"{name}.jsonl").write_text(text, encoding="utf-8")
    found = drafted(tmp_path, rows(CASES["labels"][0]), name="train")
    assert found.spec["data"] == {"train": "train.jsonl", "validation": "valid.jsonl", "test": "test.jsonl"}
    assert any("9 test rows" in note for note in found.notes)


def test_one_file_alone_is_told(tmp_path: Path) -> None:
    notes = " ".join(drafted(tmp_path, rows(CASES["labels"][0])).notes)
    assert "no test data" in notes
    assert "--split" in notes


def test_without_data_a_spec_is_drawn_up_all_the_same(tmp_path: Path) -> None:
    found = draft({}, tmp_path, Answers(description="Answer letters"))
    assert found.spec["task"]["description"] == "Answer letters"
    assert any("no data" in note for note in found.notes)
    validate(Spec, found.spec, code="SPEC")


@pytest.mark.parametrize("answers", [Answers(models=("no/such-model-here",)), Answers(hardware="h10000")])
def test_a_model_or_machine_that_nobody_knows_is_refused(answers: Answers, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        draft({}, tmp_path, answers)


def test_signs_that_mean_something_in_yaml_are_read_back_as_they_were(tmp_path: Path) -> None:
    odd = (
        "yes",
        "a: b",
        "# no",
        "- x",
        "{}",
        "'",
        '"',
        "\\",
        "a\nb",
        "é\u2028ü",
        "\U0001f600",
        "1",
        "null",
        " ",
        "a #b",
    )
    for text in odd:
        found = draft({}, tmp_path, Answers(description=text.strip() or "x", name="n"))
        found = found.model_copy(update={"spec": found.spec | {"task": found.spec["task"] | {"description": text}}})
        assert parse_text(spec_as_yaml(found), "spec.yaml")["task"]["description"] == text
