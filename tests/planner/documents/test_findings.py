"""Bad documents: every problem at once, each with its place, the value, what is allowed and a near name."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from planner.documents import Finding, InputError, Spec, Where, near, validate

GOOD: dict[str, Any] = {"task": {"description": "Sort"}, "models": [{"id": "gpt2"}]}


def problems(data: Any) -> list[Finding]:
    with pytest.raises(InputError) as caught:
        validate(Spec, data, code="SPEC", file="spec.json")
    assert caught.value.exit_code == 2
    return list(caught.value.findings)


# What is wrong, where, and words that the message or its advice must hold.
BAD: dict[str, tuple[dict[str, Any], str, tuple[str, ...]]] = {
    "nothing is there": ({"models": [{"id": "a"}]}, "/task", ("missing", "object")),
    "a list is missing": ({"task": {"description": "a"}}, "/models", ("missing", "array")),
    "a field of a list's item is missing": ({"models": [{}]}, "/models/0/id", ("missing", "string")),
    "the list is empty": ({"models": []}, "/models", ("[]", "at least 1")),
    "a key is misspelt": ({"taks": {}}, "/taks", ("not a known key", "`task`")),
    "a key is misspelt deep inside": (
        {"task": {"description": "a", "output": {"formt": "json"}}},
        "/task/output/formt",
        ("Did you mean `format`?",),
    ),
    "a key is like no other": ({"zzzzqq": 1}, "/zzzzqq", ("Allowed here", "models")),
    "a word is misspelt": (
        {"task": {"description": "a", "kind": "clasification"}},
        "/task/kind",
        ('"clasification"', "'classification'", "Did you mean `classification`?"),
    ),
    "text instead of a number": (
        {"constraints": {"max_hours": "2"}},
        "/constraints/max_hours",
        ('"2"', "valid number"),
    ),
    "a number instead of text": ({"name": 7}, "/name", ("7", "valid string")),
    "a number out of range": (
        {"constraints": {"max_hours": -1}},
        "/constraints/max_hours",
        ("-1", "greater than 0"),
    ),
    "a fraction where a count belongs": (
        {"task": {"description": "a", "tenants": 1.5}},
        "/task/tenants",
        ("1.5", "integer"),
    ),
    "a flag in words": ({"constraints": {"offline": "yes"}}, "/constraints/offline", ('"yes"', "boolean")),
    "an object instead of text": ({"task": {"description": {}}}, "/task/description", ("{}", "string")),
    "an empty description": ({"task": {"description": ""}}, "/task/description", ('""', "at least 1 character")),
    "a data set of neither form": ({"data": {"train": 5}}, "/data/train", ("5", "string", "object")),
    "a data set with a misspelt key": (
        {"data": {"train": {"exampels": 5}}},
        "/data/train/exampels",
        ("Did you mean `examples`?",),
    ),
    "a count below zero": (
        {"failures": {"behaviour": -3}},
        "/failures/behaviour",
        ("-3", "greater than or equal to 0"),
    ),
    "a slash in a key": ({"failures": {"a/b": "x"}}, "/failures/a~1b", ('"x"', "integer")),
    "hardware without memory": (
        {"hardware": {"devices": [{"name": "A100"}]}},
        "/hardware/devices/0/memory_gb",
        ("missing", "number"),
    ),
    "a number that JSON cannot say": (
        {"evaluation": {"target": {"accuracy": float("nan")}}},
        "/evaluation/target/accuracy",
        ("NaN", "finite number"),
    ),
    "null for a word": ({"task": {"description": "a", "kind": None}}, "/task/kind", ("null",)),
}


@pytest.mark.parametrize("name", BAD)
def test_a_problem_is_told_with_its_place_its_value_and_what_is_allowed(name: str) -> None:
    change, pointer, words = BAD[name]
    data = change if name in ("nothing is there", "a list is missing") else GOOD | change
    found = problems(data)
    assert [finding.where.pointer for finding in found] == [pointer]
    assert found[0].severity == "error"
    assert found[0].where.file == "spec.json"
    said = f"{found[0].message} {found[0].fix}"
    for word in words:
        assert word in said


def test_every_problem_is_told_at_once() -> None:
    data = {"task": {"kind": "chatt"}, "models": [{"id": "a", "role": "boss"}, {"idd": "b"}], "extra": 1}
    assert [finding.where.pointer for finding in problems(data)] == [
        "/task/description",
        "/task/kind",
        "/models/0/role",
        "/models/1/id",
        "/models/1/idd",
        "/extra",
    ]


@pytest.mark.parametrize("data", [[], "task", 3, None])
def test_what_is_no_object_is_one_problem(data: Any) -> None:
    assert len(problems(data)) == 1


def test_a_long_value_is_cut() -> None:
    [finding] = problems(GOOD | {"name": "x" * 5000})
    assert len(finding.message) < 120
    assert finding.message.endswith("....")


def test_a_document_cannot_be_changed() -> None:
    spec = validate(Spec, GOOD, code="SPEC")
    with pytest.raises(ValidationError, match="frozen"):
        spec.name = "other"  # type: ignore[misc]


def test_a_finding_reads_as_place_sentence_and_cure() -> None:
    where = Where(file="spec.json", line=3, pointer="/task")
    finding = Finding(code="SPEC001", severity="error", message="`task` is missing.", fix="Add it.", where=where)
    assert str(finding) == "spec.json:3 /task: `task` is missing. Add it."
    assert str(Finding(code="X001", severity="note", message="It is so.")) == "It is so."


def test_a_near_name_is_offered_only_when_it_is_near() -> None:
    assert near("Lora", ["lora", "full"]) == "Did you mean `lora`?"
    assert near("xyz", ["lora", "full"]) == ""
