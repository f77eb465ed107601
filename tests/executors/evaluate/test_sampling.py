from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from executors.evaluate.sampling import draw

LOGITS = torch.tensor([[math.log(0.5), math.log(0.3), -math.inf, math.log(0.2)]])


@pytest.mark.parametrize(("uniform", "token"), [(0.0, 0), (0.49, 0), (0.51, 1), (0.79, 1), (0.81, 3), (1 - 2**-53, 3)])
def test_a_number_chooses_the_token_at_its_height(uniform: float, token: int) -> None:
    assert draw(LOGITS, 1.0, [uniform]).tolist() == [token]


@given(st.lists(st.floats(0, 1, exclude_max=True), min_size=1, max_size=5), st.floats(0.01, 10))
def test_what_is_forbidden_is_never_drawn_and_rows_do_not_change_each_other(
    uniform: list[float], temperature: float
) -> None:
    together = draw(LOGITS.expand(len(uniform), -1), temperature, uniform).tolist()
    assert 2 not in together
    assert together == [draw(LOGITS, temperature, [each]).item() for each in uniform]


def test_forbidden_tokens_at_both_ends_are_never_drawn() -> None:
    logits = torch.tensor([[-math.inf, 1.0, -math.inf]], dtype=torch.bfloat16)
    assert [draw(logits, 1.0, [each]).item() for each in (0.0, 0.5, 1 - 2**-53)] == [1, 1, 1]


def test_a_low_temperature_takes_the_likeliest_and_a_high_one_any() -> None:
    numbers = [(at + 0.5) / 100 for at in range(100)]
    cold, hot = (draw(LOGITS.expand(100, -1), each, numbers).tolist() for each in (0.01, 100.0))
    assert set(cold) == {0}
    assert [hot.count(token) for token in (0, 1, 3)] == pytest.approx([33, 33, 33], abs=2)
