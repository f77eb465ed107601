from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.train.probe import FitProbe, ProbeParams
from planner.documents import InputError
from tests.executors.encoders import label_rows, make_tiny_encoder
from tests.executors.tiny import PLACES, write_rows
from tests.executors.train.labelled import job_in, measured

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_encoder(tmp_path_factory.mktemp("encoder") / "model")


def fitted(work: Path, model: Path, **changes: Any) -> Job:
    params = ProbeParams.model_validate({"labels": "found", "base_dtype": "fp32", "seed": 0} | changes)
    train = write_rows(work / "train.jsonl", label_rows(30))
    validation = write_rows(work / "validation.jsonl", label_rows(5, start=30))
    return job_in(work, params, model=model, train=train, validation=validation)


@pytest.mark.parametrize("kind", ["decoder", "encoder"])
def test_a_probe_is_kept_as_safetensors_and_answers_as_it_was_fitted(
    kind: str, tiny_model: Path, encoder: Path, tmp_path: Path
) -> None:
    model = encoder if kind == "encoder" else tiny_model
    fit = fitted(tmp_path, model)
    outcome = FitProbe().perform(fit)
    assert sorted(item.name for item in (fit.out / "adapter").iterdir()) == [
        "README.md", "adapter_config.json", "adapter_model.safetensors", "labels.json",
    ]  # fmt: skip
    scores = outcome.notes["choice_scores"]
    assert isinstance(scores, dict)
    assert scores[str(outcome.notes["layer"])] == max(scores.values())
    result, records = measured(tmp_path, model=model, adapter=fit.out / "adapter")
    assert [record["prediction"] for record in records] == list(PLACES)
    assert result.metrics["label_accuracy"].value == 1.0
    assert result.metrics["macro_f1"].value == 1.0
    assert result.metrics["latency_s"].value > 0
    assert result.notes["answered_by"] == "a linear probe"


def test_two_labels_and_one_without_rows_are_told_apart(tiny_model: Path, tmp_path: Path) -> None:
    fit = fitted(tmp_path, tiny_model, labels=["kitchen", "attic", "hall"])
    rows = [row for row in label_rows(30) if row["completion"] in ("kitchen", "hall")]
    write_rows(tmp_path / "train.jsonl", rows)
    write_rows(tmp_path / "validation.jsonl", rows[:4])
    FitProbe().perform(fit)
    _, records = measured(tmp_path, model=tiny_model, adapter=fit.out / "adapter")
    assert [record["prediction"] for record in records][:2] == ["kitchen", "hall"]
    assert "attic" not in {record["prediction"] for record in records}


def test_a_label_outside_of_the_set_is_refused_in_a_sentence(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"rows have no label of the set, the first is tiny-2 with the label 'garden'"):
        FitProbe().perform(fitted(tmp_path, tiny_model, labels=["kitchen", "hall"]))


def test_a_model_that_only_writes_is_no_classifier(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="The model has no head over labels"):
        measured(tmp_path, model=tiny_model)
