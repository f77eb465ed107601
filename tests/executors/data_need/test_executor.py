from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.data_need import DataNeed, DataNeedParams
from executors.data_need.executor import SCORES
from planner.documents import InputError
from tests.executors.encoders import label_rows
from tests.executors.tiny import PLACES, write_rows
from tests.executors.train.jobs import params_of

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*gradient_checkpointing")]

PROBE = {"labels": list(PLACES), "base_dtype": "fp32", "seed": 0}
ANSWERS: dict[str, Any] = {
    "metrics": ["label_accuracy"],
    "schema": None,
    "labels": list(PLACES),
    "format": "label",
    "max_new_tokens": 8,
    "batch_size": 8,
    "dtype": "fp32",
    "decoding": "head",
    "limit": None,
    "seed": 0,
}


def job(work: Path, model: Path, training: dict[str, Any], rows: int = 30, **more: Path) -> Job:
    params = {
        "shares": [0.2, 0.5, 1.0],
        "draws": 2,
        "least_steps": 6,
        "ahead": 2.0,
        "metric": "label_accuracy",
        "training": training,
        "evaluation": ANSWERS,
        "seed": 0,
    }
    train = write_rows(work / "train.jsonl", label_rows(rows))
    validation = write_rows(work / "validation.jsonl", label_rows(10, start=30))
    inputs = {"model": model, "train": train, "validation": validation, **more}
    for name in ("out", "checkpoints"):
        (work / name).mkdir(exist_ok=True)
    checked = DataNeedParams.model_validate(params)
    return Job("evaluate/data-need", checked, inputs, work / "out", work / "checkpoints", lambda _: None, work)


@pytest.mark.parametrize("kind", ["probe", "head"])
def test_a_curve_of_real_trainings_says_what_twice_the_rows_bring(
    kind: str, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"objective": "classification-head", "labels": list(PLACES), "learning_rate": 0.01, "epochs": 2.0}
    asked = job(tmp_path, tiny_model, PROBE if kind == "probe" else params_of(**own))
    outcome = DataNeed().perform(asked)
    assert "from 30 to 60 rows about" in str(outcome.notes["data_need"])
    scores = outcome.notes["scores_by_rows"]
    assert isinstance(scores, dict)
    assert list(scores) == ["6", "15", "30"]
    assert outcome.notes["trainings"] == 5
    gain = outcome.metrics["gain_of_more_rows"]
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low <= gain.value <= gain.high
    # Killed after that, it trains nothing again.
    monkeypatch.setattr(DataNeed, "_measured", None)
    assert DataNeed().perform(asked).metrics == outcome.metrics


def test_what_was_trained_on_all_rows_is_only_measured(tiny_model: Path, tmp_path: Path) -> None:
    from executors.train.probe import FitProbe, ProbeParams

    asked = job(tmp_path, tiny_model, PROBE)
    out = tmp_path / "fitted"
    out.mkdir()
    whole = Job("t", ProbeParams.model_validate(PROBE), asked.inputs, out, tmp_path, lambda _: None, tmp_path)
    FitProbe().perform(whole)
    alone = DataNeed().perform(asked)
    (asked.checkpoints / SCORES).unlink()
    given = job(tmp_path, tiny_model, PROBE, trained=out / "adapter")
    assert DataNeed().perform(given).notes["scores_by_rows"] == alone.notes["scores_by_rows"]


def test_too_few_rows_for_three_sizes_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="2 rows are too few for parts of 20%, 50%, 100%"):
        DataNeed().perform(job(tmp_path, tiny_model, PROBE, rows=2))


def test_shares_that_do_not_rise_to_all_are_refused() -> None:
    wrong = {"shares": [0.5, 0.3, 1.0], "draws": 1, "least_steps": 1, "ahead": 2.0, "metric": "accuracy", "seed": 0}
    wrong |= {"training": PROBE, "evaluation": ANSWERS}
    with pytest.raises(ValueError, match="shares must rise to 1"):
        DataNeedParams.model_validate(wrong)
    with pytest.raises(ValueError, match="the evaluation does not measure accuracy, of which the curve is"):
        DataNeedParams.model_validate(wrong | {"shares": [0.3, 0.5, 1.0]})
