from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

import pytest

from executors.data_need import law
from executors.data_need.law import Forecast, scored, sentence
from executors.data_need.law import forecast as forecast_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


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
    points = {rows: [answers(8.0 * rows**-0.8, 4000, rows)] for rows in (40, 120, 400)}
    found = forecast(points, 800, seed=0)
    # Of the odds, which fall a little faster than errors do while those are not rare.
    assert found.exponent == pytest.approx(0.9, abs=0.15)
    assert found.gain.value == pytest.approx(8.0 * (400**-0.8 - 800**-0.8), abs=0.01)
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

    found = forecast({rows: [slots(8.0 * rows**-0.8)] for rows in (40, 120, 400)}, 800, 0, "slot_f1")
    assert found.gain.value == pytest.approx(8.0 * (400**-0.8 - 800**-0.8), abs=0.01)
    assert 0 < float(found.gain.low or 0) < found.gain.value
    pairs = [["a" if draw.random() < 0.7 else "b", "ab"[at % 2]] for at in range(200)]
    same = forecast({rows: [pairs] for rows in (40, 120, 400)}, 800, 0, "macro_f1").gain
    assert same.value == pytest.approx(0.0, abs=0.01)
    assert float(same.low or 0) < 0 < float(same.high or 0)


# Scores at so many rows, of a task that is so hard: curves that follow the law, flatten out, rise late, or get worse.
SHAPES: dict[str, Callable[[float, float], float]] = {
    "power law": lambda rows, hard: 1 - min(0.95, hard * 1.3 * rows**-0.25),
    "steep power law": lambda rows, hard: 1 - min(0.95, hard * 2.0 * rows**-0.5),
    "with errors that stay": lambda rows, hard: 1 - min(0.95, 0.15 + hard * 2.0 * rows**-0.6),
    "soon flat": lambda rows, hard: 0.7 * (1 - math.exp(-rows / (60 * hard))),
    "exponential": lambda rows, hard: 1 - 0.9 * math.exp(-rows / (300 * hard)),
    "odds": lambda rows, hard: 1 / (1 + (150 * hard / rows) ** 0.7),
    "late": lambda rows, hard: 0.9 / (1 + (200 * hard / rows) ** 1.5),
    "logarithm": lambda rows, hard: min(0.98, max(0.02, 0.1 * math.log(rows) / hard - 0.05)),
    "flat": lambda _, hard: 0.3 / hard,
    "worse": lambda rows, _: 0.5 - 0.02 * math.log(rows / 10),
}


@pytest.mark.parametrize("sizes", [(16, 48, 160), (40, 120, 400), (100, 300, 1000)], ids=str)
def test_the_interval_holds_what_more_rows_bring_about_as_often_as_it_claims(
    sizes: tuple[int, int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(law, "RESAMPLES", 200)
    held: dict[str, list[bool]] = {}
    for name, score in SHAPES.items():
        for seed in range(8):
            draw = random.Random(f"{name}:{seed}:{sizes}")  # noqa: S311 - a synthetic curve, not a secret
            hard = math.exp(draw.gauss(0, 0.3))

            def trained(rows: int, score: Any = score, hard: float = hard, draw: random.Random = draw) -> list[float]:
                """Right and wrong answers to 100 cases after a training with some luck."""
                odds = math.log(score(rows, hard) / (1 - score(rows, hard))) + draw.gauss(0, 0.15)
                return answers(1 / (1 + math.exp(odds)), 100, draw.randrange(2**32))

            points = {rows: [trained(rows) for _ in range(1 if rows == sizes[-1] else 2)] for rows in sizes}
            gain = forecast(points, 2 * sizes[-1], seed).gain
            assert gain.low is not None
            assert gain.high is not None
            truth = score(2 * sizes[-1], hard) - score(sizes[-1], hard)
            held.setdefault(name, []).append(gain.low <= truth <= gain.high)
    shares = {name: sum(each) / len(each) for name, each in held.items()}
    assert sum(shares.values()) / len(shares) >= 0.9, shares
    assert min(shares.values()) >= 0.6, shares


def test_points_that_rise_late_leave_room_for_what_was_measured() -> None:
    # Slot F1 of a small model after 16, 48 and 160 requests; after 400 it was .71.
    points = {rows: [answers(1 - score, 100, rows)] for rows, score in ((16, 0.22), (48, 0.35), (160, 0.47))}
    found = forecast(points, 400, seed=0).gain
    assert found.high is not None
    assert found.high > 0.71 - 0.47 > found.value > 0
