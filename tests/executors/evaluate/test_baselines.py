from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.evaluate import Baselines, BaselinesParams
from planner.documents import InputError
from tests.executors.tiny import tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Outcome

ALL = ["majority", "nearest", "tfidf-logistic"]


def labelled(start: int, count: int) -> list[dict[str, str]]:
    rows = tiny_rows(count, start=start)
    return [row | {"completion": json.loads(row["completion"])["intent"]} for row in rows]


def run(tmp_path: Path, *, kinds: list[str] = ALL, validation: bool = False, **changed: Any) -> Outcome:
    rows = labelled(0, 40)
    inputs: dict[str, Path | str] = {
        "train": write_rows(tmp_path / "train.jsonl", changed.pop("train", rows[::2])),
        "data": write_rows(tmp_path / "test.jsonl", rows[1::4]),
    }
    if validation:
        inputs["validation"] = write_rows(tmp_path / "validation.jsonl", rows[3::4])
    params = BaselinesParams.model_validate(
        {"kinds": kinds, "metrics": ["macro_f1"], "labels": ["on", "off"], "seed": 0} | changed
    )
    return Baselines().perform(
        Job("evaluate/baselines", params, inputs, tmp_path, tmp_path, lambda event: None, tmp_path)
    )


@pytest.mark.slow
@pytest.mark.parametrize("validation", [False, True])
def test_the_best_on_rows_that_are_not_test_rows_is_chosen(tmp_path: Path, validation: bool) -> None:
    outcome = run(tmp_path, validation=validation)
    assert outcome.notes["chosen"] != "majority"
    assert outcome.notes["chosen_on"] == ("validation" if validation else "cross-validation")
    assert outcome.metrics["label_accuracy"] == outcome.metrics[f"label_accuracy_{outcome.notes['chosen']}"]
    assert outcome.metrics["label_accuracy_majority"].value == 0.5
    assert outcome.metrics["label_accuracy"].value == 1.0
    assert outcome.metrics["macro_f1"].value == 1.0, "asked for by the evaluation"
    found = [json.loads(line) for line in (tmp_path / "predictions").read_text(encoding="utf-8").splitlines()]
    assert len(found) == 10
    assert found[0]["prediction"] == found[0]["expected"]


@pytest.mark.slow
def test_a_single_label_in_training_is_the_answer_to_all(tmp_path: Path) -> None:
    assert run(tmp_path, train=labelled(0, 8)).metrics["label_accuracy"].value == 0.5


def test_a_label_outside_of_the_set_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"row tiny-20 has the label 'off', which is not in the set"):
        run(tmp_path, labels=["on", "dim"])
