"""Labels that a spec does not list are taken from data that answer with a few words that repeat."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from planner.planning import plan

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Plan


def planned(folder: Path, train: list[str], test: list[str], **output: Any) -> Plan:
    for name, answers in (("train", train), ("test", test)):
        rows = [{"prompt": f"{name} {at}", "completion": answer} for at, answer in enumerate(answers)]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return plan(
        {
            "task": {"description": "Answer", "kind": "question-answering", "output": output},
            "data": {"train": "train.jsonl", "test": "test.jsonl"},
            "models": [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}],
        },
        folder=folder,
    )


def test_yes_and_no_are_labels_and_have_baselines(tmp_path: Path) -> None:
    document = planned(tmp_path, ["yes", "no"] * 40, ["yes", "no"] * 20)
    assert document.spec.task.output.labels == ("no", "yes")
    assert "/task/output/labels" in {each.pointer for each in document.filled}
    assert document.steps[0].executor == "baselines"
    assert document.steps[0].params["metrics"] == ["exact_match", "token_f1"], "those that a target may be set on"
    assert document.step("evaluate/zero-shot").params["decoding"] == "labels"


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (["yes", "no"] * 40, ["yes", "maybe"] * 20),
        (["1", "2"] * 40, ["1", "2"] * 20),
        ([f"Ann {at % 8}" for at in range(40)], [f"Ann {at % 8}" for at in range(40)]),
        (["yes", "no"] * 40, [f"Ann {at}" for at in range(40)]),
    ],
)
def test_what_is_not_closed_stays_open(tmp_path: Path, train: list[str], test: list[str]) -> None:
    assert planned(tmp_path, train, test).spec.task.output.labels is None


def test_labels_that_are_not_listed_are_those_of_the_rows(tmp_path: Path) -> None:
    document = planned(tmp_path, ["1", "2"] * 10, ["1", "2"] * 10, format="label")
    assert document.spec.task.output.labels == ("1", "2")
