from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from executors.data_need.law import Forecast, scored, sentence
from executors.data_need.law import forecast as forecast_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def forecast(
    points: Mapping[int, Sequence[Sequence[Any]]], ahead: int, seed: int, metric: str = "accuracy"
) -> Forecast:
    cases = len(next(iter(points.values()))[0])
    return forecast_of(
        {size: [scored(metric, each) for each in told] for size, told in points.items()}, cases, ahead, seed
    )


def answers(errors: float, cases: int, seed: int) -> list[float]:
    draw = random.Random(seed)  # noqa: S311 - cases, not a secret
    return [float(draw.random() >= errors) for _ in range(cases)]


def test_the_exponent_of_a_power_law_is_found() -> None:
    points = {rows: [answers(2.0 * rows**-0.5, 4000, rows)] for rows in (40, 120, 400)}
    found = forecast(points, 800, seed=0)
    assert found.exponent == pytest.approx(0.5, abs=0.06)
    assert found.gain.value == pytest.approx(2.0 * (400**-0.5 - 800**-0.5), abs=0.005)
    assert found.gain.low is not None
    assert 0 < found.gain.low < found.gain.value
    assert sentence(found, 400, 800, "label_accuracy").startswith("More data will help: from 400 to 800 rows about +3 ")


def test_a_flat_curve_says_that_more_rows_hardly_help() -> None:
    points = {rows: [answers(0.2, 2000, 5)] for rows in (40, 120, 400)}
    told = sentence(forecast(points, 800, seed=0), 400, 800, "exact_match")
    assert told.startswith("More data will hardly help: from 400 to 800 rows about +0 points of exact_match")


def test_few_cases_do_not_show_a_gain_beyond_chance() -> None:
    points = {40: [[1, 0, 1, 0, 0, 1, 0, 1]], 120: [[1, 0, 1, 1, 0, 1, 0, 0]], 400: [[1, 1, 1, 1, 0, 1, 0, 0]]}
    found = forecast(points, 800, seed=0)
    assert found.gain.low is not None
    assert found.gain.low <= 0 < found.gain.value
    assert "may help, which these rows do not show beyond chance" in sentence(found, 400, 800, "accuracy")


def test_the_interval_holds_the_truth_nearly_always() -> None:
    held = 0
    truth = 1.5 * (300**-0.4 - 600**-0.4)
    for seed in range(20):
        points = {rows: [answers(1.5 * rows**-0.4, 150, 1000 * seed + rows)] for rows in (30, 90, 300)}
        gain = forecast(points, 600, seed=seed).gain
        held += float(gain.low or 0) <= truth <= float(gain.high or 0)
    assert held >= 17


def test_no_error_at_all_is_no_reason_to_fail() -> None:
    found = forecast({10: [[1.0] * 20], 30: [[1.0] * 20], 100: [[1.0] * 20]}, 200, seed=0)
    assert found.gain.value == pytest.approx(0.0, abs=0.01)


def test_a_metric_that_is_pooled_over_cases_has_a_curve_too() -> None:
    draw = random.Random(0)  # noqa: S311 - cases, not a secret

    def slots(errors: float) -> list[list[int]]:
        found = []
        for _ in range(2000):
            slots = draw.randint(0, 4)
            found.append([sum(draw.random() >= errors for _ in range(slots)), slots, slots])
        return found

    found = forecast({rows: [slots(2.0 * rows**-0.5)] for rows in (40, 120, 400)}, 800, 0, "slot_f1")
    assert found.gain.value == pytest.approx(2.0 * (400**-0.5 - 800**-0.5), abs=0.01)
    assert 0 < float(found.gain.low or 0) < found.gain.value
    pairs = [["a" if draw.random() < 0.7 else "b", "ab"[at % 2]] for at in range(200)]
    same = forecast({rows: [pairs] for rows in (40, 120, 400)}, 800, 0, "macro_f1").gain
    assert (same.value, same.low, same.high) == pytest.approx((0.0, 0.0, 0.0), abs=1e-9)
