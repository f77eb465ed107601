"""Bad input: one clear sentence each, exit code 2, no traceback, and nothing written."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import plan_digest
from planner.planning import plan
from tests.adapt.commands import process
from tests.planner.specs import DECLARED, spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def rows(count: int, start: int = 0) -> bytes:
    lines = [{"prompt": f"question {number}", "completion": "bug"} for number in range(start, start + count)]
    return "".join(json.dumps(line) + "\n" for line in lines).encode()


MIXED = rows(2) + b'{"text": "a"}\n'
TRUNCATED = rows(3)[:-9]
# The spec's changes, the files beside it, and what the message must say.
BAD: dict[str, tuple[dict[str, Any], dict[str, bytes], tuple[str, ...]]] = {
    "a data file that is not there": (
        {"data__train": "tran.jsonl"},
        {"train.jsonl": rows(3)},
        ("tran.jsonl", "train.jsonl"),
    ),
    "an unknown key": ({"hardwear": "a10g"}, {}, ("`hardwear` is not a known key", "`hardware`")),
    "a wrong type": ({"task__tenants": "five"}, {}, ("/task/tenants", '"five"', "integer")),
    "a model that is not there": (
        {"models": [{"id": "meta-llama/Lama-3.1-8B-Instruct"}]},
        {},
        ("Lama-3.1", "Llama-3.1"),
    ),
    "a model folder that is not there": (
        {"models": [{"id": "mine", "path": "models/mine"}]},
        {},
        ("models/mine",),
    ),
    "an empty data file": ({"data__train": "train.jsonl"}, {"train.jsonl": b""}, ("train.jsonl", "empty")),
    "a truncated data file": ({"data__train": "train.jsonl"}, {"train.jsonl": TRUNCATED}, ("train.jsonl", "3")),
    "a data file of mixed shapes": ({"data__train": "train.jsonl"}, {"train.jsonl": MIXED}, ("train.jsonl", "3")),
    "a data file that is not UTF-8": (
        {"data__train": "train.jsonl"},
        {"train.jsonl": rows(1) + b'{"prompt": "caf\xe9", "completion": "x"}\n'},
        ("train.jsonl", "UTF-8"),
    ),
    "test rows in the training data": (
        {"data": {"train": "train.jsonl", "test": "test.jsonl"}},
        {"train.jsonl": rows(20), "test.jsonl": rows(5, start=18)},
        ("test", "train", "2"),
    ),
    "a device that nobody knows": ({"hardware": "a10gg"}, {}, ("a10gg", "a10g")),
    "a pin that is no answer": ({"overrides": {"method": "loar"}}, {}, ("/overrides/method", "`loar` is no answer")),
    "a rule book that is not there": ({"rule_books": ["mine.toml"]}, {}, ("mine.toml",)),
    "a rule book with a mistake": (
        {"rule_books": ["mine.toml"]},
        {"mine.toml": b'book = "mine"\nversion = 1\n'},
        ("mine.toml", "/version"),
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_planning_says_what_is_wrong_and_writes_nothing(name: str, adapt: Callable, tmp_path: Path) -> None:
    changes, files, words = BAD[name]
    (tmp_path / "spec.json").write_text(json.dumps(spec(**changes)), encoding="utf-8")
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    said = adapt("plan", tmp_path / "spec.json")
    assert (said.code, said.out) == (2, "")
    text = " ".join(said.err.split())
    assert "Traceback" not in text
    assert "fault of its own" not in text
    for word in words:
        assert word in text
    errors = [line for line in said.err.splitlines() if line.startswith("error")]
    assert len(errors) == 1, said.err
    assert {each.name for each in tmp_path.iterdir()} == {"spec.json", *files}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"{", "JSON"),
        (b"[1, 2]", "list"),
        (b"\xff\xfe", "UTF-8"),
        (b'{"task": 1, "task": 2}', "task"),
        (b"null", "spec"),
    ],
)
def test_a_spec_that_cannot_be_read_is_one_sentence(
    adapt: Callable, tmp_path: Path, content: bytes, words: str
) -> None:
    (tmp_path / "spec.json").write_bytes(content)
    said = adapt("plan", tmp_path / "spec.json")
    assert (said.code, said.out) == (2, "")
    assert words in said.err
    assert "fault of its own" not in said.err
    assert [each.name for each in tmp_path.iterdir()] == ["spec.json"]


def test_a_spec_that_is_not_there_is_exit_code_2(tmp_path: Path) -> None:
    said = process("plan", tmp_path / "spec.json")
    assert said.code == 2
    assert "does not exist" in said.err
    assert "Traceback" not in said.err


def bad_target(name: str, folder: Path) -> Path:
    if name == "a folder that is not there":
        return folder / "gone" / "plan.json"
    if name == "below a file":
        return folder / "spec.json" / "plan.json"
    if name == "a folder":
        (folder / "sub").mkdir()
        return folder / "sub"
    if name == "the spec":
        return folder / "spec.json"
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    return folder / "notes.txt"


@pytest.mark.parametrize(
    "name", ["a folder that is not there", "below a file", "a folder", "the spec", "a file that is no plan"]
)
def test_a_plan_goes_only_where_it_can_and_may(name: str, adapt: Callable, write: Callable) -> None:
    path = write()
    target = bad_target(name, path.parent)
    before = {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()}
    said = adapt("plan", path, "--out", target)
    assert said.code == 2
    assert said.err.startswith("error")
    assert "CLI002" in said.err
    assert {each: each.read_bytes() for each in path.parent.rglob("*") if each.is_file()} == before


def test_a_folder_that_cannot_be_written_is_exit_code_2(
    adapt: Callable, write: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda _, mode, **__: mode != os.W_OK)  # a superuser may write anywhere
    said = adapt("plan", write())
    assert said.code == 2
    assert "cannot be written" in " ".join(said.err.split())


EDITS: dict[str, tuple[Callable[[dict[str, Any]], Any], tuple[str, ...]]] = {
    "edited by hand": (lambda raw: raw["steps"][0]["params"].update(seed=99), ("edited by hand", "plan again")),
    "of a newer major": (lambda raw: raw.update(format="adapt.plan/2"), ("adapt.plan/2", "Update adapt-planner")),
    "that demands what is not known": (
        lambda raw: raw.update(must_understand=["telepathy"]),
        ("telepathy", "Update adapt-planner"),
    ),
    "that is no plan": (lambda raw: raw.update(format="other"), ("'other'", "adapt.plan/1")),
}


@pytest.mark.parametrize("name", EDITS)
def test_a_plan_that_is_not_what_the_planner_wrote_is_refused(name: str, adapt: Callable, tmp_path: Path) -> None:
    edit, words = EDITS[name]
    raw = plan(DECLARED).to_json()
    edit(raw)
    if name != "edited by hand":
        raw["digest"] = plan_digest(raw)
    (tmp_path / "plan.json").write_text(json.dumps(raw), encoding="utf-8")
    for command in (("explain",), ("run",), ("status",)):
        said = adapt(*command, tmp_path / "plan.json")
        assert (said.code, said.out) == (2, ""), command
        text = " ".join(said.err.split())
        for word in words:
            assert word in text
    assert [each.name for each in tmp_path.iterdir()] == ["plan.json"]


def test_with_json_the_findings_are_json_on_standard_error(adapt: Callable, tmp_path: Path) -> None:
    (tmp_path / "spec.json").write_text('{"task": {}, "modls": []}', encoding="utf-8")
    said = adapt("plan", tmp_path / "spec.json", "--json")
    assert (said.code, said.out) == (2, "")
    findings = json.loads(said.err)["findings"]
    assert {finding["where"]["pointer"] for finding in findings} == {"/task/description", "/models", "/modls"}
