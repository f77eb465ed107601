from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from executors.train.curve import describe, remedy
from tests.executors.tiny import tiny_rows, write_rows
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

FALLING = [3.0 * 0.97**step for step in range(80)]


@pytest.mark.parametrize(
    ("losses", "evaluations", "said"),
    [
        ([1.0, 0.9], [], "too few"),
        ([3.0, *FALLING[:40], *[4.0] * 40], [], "learning rate is too high"),
        ([3.0 - step * 0.001 for step in range(80)], [], "learning rate is too low"),
        (FALLING, [], "still falling"),
        ([3.0] * 10 + [1.0] * 70, [], "settled"),
        (FALLING, [(20, 1.0), (40, 0.8), (80, 1.2)], "more epochs overfit"),
        (FALLING, [(20, 1.0), (40, 0.8), (80, 0.6)], "more epochs are likely to help"),
        (FALLING, [(20, 1.0), (40, 0.8), (80, 0.795)], "settled at 0.795"),
    ],
)
def test_the_curve_is_told_in_a_sentence(losses: list[float], evaluations: list[tuple[int, float]], said: str) -> None:
    sentence = describe(losses, evaluations, steps_per_epoch=20)
    assert said in sentence
    assert sentence.endswith(".")


@pytest.mark.parametrize(
    ("times_usual", "last", "said"),
    [
        (5, 2.99, ["hardly fell, from 3.000 to 2.990, at a learning rate of 5 times the highest", "it is too high"]),
        (1e-5, 3.01, ["did not fall, from 3.000 to 3.010, at a learning rate of 1e-05 times", "it is too low"]),
        (0.5, 2.99, ["hardly fell, from 3.000 to 2.990: the learning rate is too low, or the rows teach nothing"]),
    ],
)
def test_a_rate_far_from_usual_is_named(times_usual: float, last: float, said: list[str]) -> None:
    told = describe([3.0] * 8 + [last] * 8, [], 20, times_usual)
    assert all(part in told for part in said), told


@pytest.mark.parametrize(
    ("rate", "precision", "said"),
    [
        (1e5, "bf16", "Lower the learning rate: 100000 is 1e+07 times the highest that is usual for the method."),
        (1e-3, "bf16", "Lower the learning rate, or lengthen the warm-up; or compute in fp32 instead of bf16."),
        (1e-3, "fp32", "Lower the learning rate, or lengthen the warm-up."),
    ],
)
def test_what_to_do_about_a_loss_that_is_not_finite(rate: float, precision: str, said: str) -> None:
    assert remedy(rate, "lora", precision) == said


def shuffled() -> list[dict[str, str]]:
    """Rows whose answers are those of others: nothing that is learned of one holds for another."""
    rows = tiny_rows(40)
    answers = [row["completion"] for row in rows]
    random.Random(0).shuffle(answers)  # noqa: S311 - an order, not a secret
    return [{**row, "completion": answer} for row, answer in zip(rows, answers, strict=True)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing")
@pytest.mark.parametrize(
    ("changes", "rows", "said"),
    [
        ({"method": "full", "learning_rate": 1.0}, None, "rose again"),
        ({"method": "full", "learning_rate": 1.0}, None, "the learning rate is too high"),
        ({"learning_rate": 2.0}, None, "at a learning rate of 200 times the highest that is usual for the method"),
        ({"method": "full", "learning_rate": 0.01 / 1000}, None, "the learning rate is too low"),
        ({"method": "full", "epochs": 60.0, "accumulation": 1}, "shuffled", "more epochs overfit; the best"),
        ({"method": "full", "epochs": 2.0}, None, "still falling at the end"),
    ],
)
def test_a_bad_training_is_called_what_it_is(
    changes: dict[str, Any], rows: str | None, said: str, tiny_model: Path, tmp_path: Path
) -> None:
    job = make_job(tmp_path, tiny_model, **changes)
    if rows:
        noise = shuffled()
        write_rows(tmp_path / "train.jsonl", noise[:8])
        write_rows(tmp_path / "validation.jsonl", noise[32:])
    assert said in str(perform(job).notes["curve"])
