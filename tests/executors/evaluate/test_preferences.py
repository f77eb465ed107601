"""Preference accuracy of an evaluation, before and after training on comparisons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.evaluate import Evaluate, EvaluateParams
from executors.evaluate.predictions import read_predictions
from executors.evaluate.preferences import Margin
from planner.documents import InputError, Step
from tests.executors.train.jobs import perform
from tests.executors.train.test_preference import pairs, preference_job, write

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Outcome

pytestmark = pytest.mark.slow

PARAMS: dict[str, Any] = {
    "metrics": ["preference_accuracy"],
    "schema": None,
    "labels": None,
    "format": "text",
    "max_new_tokens": 8,
    "batch_size": 8,
    "dtype": "fp32",
    "limit": None,
    "seed": 0,
}


def evaluated(trained: Job, name: str, rows: list[dict[str, str]], **inputs: Path | str) -> Outcome:
    out = trained.out.parent / name
    (out / "checkpoints").mkdir(parents=True)
    data = write(out / "rows.jsonl", rows)
    asked = {"model": trained.inputs["model"], "prompt": trained.inputs["prompt"], "data": data, **inputs}
    params = EvaluateParams.model_validate(PARAMS)
    return Evaluate().perform(Job("evaluate/a", params, asked, out, out / "checkpoints", trained.report, trained.cache))


def test_training_on_comparisons_raises_the_preference_accuracy(tiny_model: Path, tmp_path: Path) -> None:
    job = preference_job(tmp_path, tiny_model)
    # What the untrained model finds likelier is rejected, so that it agrees with nobody.
    untrained = evaluated(job, "probe", pairs(40)).metrics["likelihood_accuracy"].value
    turned = [row | {"chosen": row["rejected"], "rejected": row["chosen"]} for row in pairs(40)]
    rows = turned if untrained > 0.5 else pairs(40)
    write(tmp_path / "pairs.jsonl", rows[:32])
    before = evaluated(job, "before", rows[32:])
    perform(job)
    after = evaluated(job, "after", rows[32:], adapter=job.out / "adapter", before=job.inputs["model"])
    assert before.metrics["preference_accuracy"].value <= 0.5
    assert after.metrics["preference_accuracy"].value > 0.9
    assert after.metrics["preference_accuracy"].low is not None
    assert after.metrics["reward_margin"].value > 0
    assert "reward_margin" not in before.metrics
    records = read_predictions(tmp_path / "after" / "predictions")
    assert [record["scores"] for record in records] == [{"preference_accuracy": True}] * 8


def test_a_model_has_no_reward_over_itself(tiny_model: Path, tmp_path: Path) -> None:
    job = preference_job(tmp_path, tiny_model)
    found = evaluated(job, "same", pairs(8), before=job.inputs["model"]).metrics
    assert found["reward_margin"].value == 0.0
    assert found["preference_accuracy"].value == 0.0, "nothing is preferred"


def test_rows_that_compare_nothing_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    job = preference_job(tmp_path, tiny_model)
    with pytest.raises(InputError, match="the row a has no chosen and rejected answer"):
        evaluated(job, "plain", [{"id": "a", "prompt": "hi", "completion": "yes"}])


def test_a_server_is_not_asked_for_likelihoods() -> None:
    step = Step(
        address="evaluate/a",
        title="a",
        executor="evaluate",
        version="2",
        params={**PARAMS, "endpoint": None},
        inputs={},
    )
    messages = [finding.message for finding in Evaluate().check(step, None)]  # type: ignore[arg-type]
    assert "preference_accuracy needs a model at hand: a server does not tell it." in messages


def test_a_margin_goes_by_the_reward_where_there_is_one() -> None:
    assert Margin(likelihood=-1.0, reward=0.5).agrees
    assert not Margin(likelihood=-1.0, reward=None).agrees
