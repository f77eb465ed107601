from __future__ import annotations

import pytest

from executors.train.curve import describe

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
