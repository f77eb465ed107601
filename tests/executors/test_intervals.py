from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.intervals import f1, mean, mean_score, proportion


@pytest.mark.parametrize(
    ("hits", "n", "low", "high"),
    # Wilson's interval as statsmodels' proportion_confint(method="wilson") gives it.
    [(0, 10, 0.0, 0.277533), (5, 10, 0.236593, 0.763407), (81, 100, 0.722210, 0.874815), (1, 1, 0.206543, 1.0)],
)
def test_wilson_equals_the_reference(hits: int, n: int, low: float, high: float) -> None:
    found = proportion(hits, n)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert found.interval == "wilson"


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_an_interval_holds_its_value_and_shrinks_with_cases(pair: tuple[int, int]) -> None:
    hits, n = pair
    small, large = proportion(hits, n), proportion(hits * 4, n * 4)
    assert small.low is not None and small.high is not None and large.low is not None and large.high is not None
    assert 0 <= small.low <= small.value <= small.high <= 1
    assert large.high - large.low < small.high - small.low


def test_no_cases_have_no_interval() -> None:
    assert proportion(0, 0).low is None
    assert f1([], 0).low is None


counts = st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)).map(
    lambda found: (found[0], found[0] + found[1], found[0] + found[2])
)


@given(st.lists(counts, min_size=1, max_size=20), st.integers(0, 3))
def test_f1_is_the_micro_f1_with_a_seeded_interval_around_it(cases: list[tuple[int, int, int]], seed: int) -> None:
    found = f1(cases, seed)
    right, predicted, expected = (sum(column) for column in zip(*cases, strict=True))
    assert found.value == pytest.approx(2 * right / (predicted + expected) if predicted + expected else 1.0)
    assert found.low is not None and found.high is not None
    assert 0 <= found.low <= found.value <= found.high <= 1
    assert found == f1(cases, seed)


def test_scores_that_are_all_wrong_or_all_right_are_as_uncertain_as_shares() -> None:
    for value in (0.0, 1.0):
        found, share = mean_score([value] * 24, 0), proportion(int(value) * 24, 24)
        assert (found.low, found.high, found.n) == (share.low, share.high, 24)
    nothing = f1([(0, 2, 3)] * 24, 0)
    assert (nothing.value, nothing.high) == (0.0, proportion(0, 24).high)
    assert mean_score([0.25, 0.75], 0) == mean([0.25, 0.75], 0)
