from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from executors.intervals import proportion
from executors.search.halving import Score, Unfit, halve, schedule
from planner.documents import Measurement

NONE = Measurement(value=0.0)
SIZES = {"candidates": st.integers(1, 20), "rows": st.integers(2, 200), "factor": st.integers(2, 4)}


def known(value: float, tokens: float = 100, lenient: float = 0.0) -> Score:
    """A score without an interval, which no other is clearly below."""
    return Score(Measurement(value=value), Measurement(value=lenient), tokens)


@given(**SIZES, least=st.integers(1, 50))
def test_each_round_has_a_part_of_the_candidates_on_a_multiple_of_the_rows(
    candidates: int, rows: int, factor: int, least: int
) -> None:
    plan = schedule(candidates, rows, factor, least)
    assert plan[0][0] == candidates
    assert plan[-1][1] == rows, "the last round sees all rows"
    assert 1 <= plan[-1][0] <= max(factor, 1)
    for (count, few), (fewer, more) in pairwise(plan):
        assert fewer == -(-count // factor)
        assert few <= more <= max(least, factor * (few + 1))
        assert few >= min(least, rows)


@given(**SIZES, values=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_with_scores_that_do_not_change_the_best_is_chosen(
    candidates: int, rows: int, factor: int, values: list[float]
) -> None:
    del candidates
    found = halve(range(len(values)), rows, factor, 2, lambda one, count: known(values[one]))
    assert values[found[0].candidate] == max(values)
    assert (found[0].round, found[0].rows, found[0].because) == (None, rows, "chosen")
    assert sorted(one.candidate for one in found) == list(range(len(values)))
    assert found[0].candidate == values.index(max(values)), "of equal ones the first"


@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=16),
    noise=st.floats(0, 0.3),
    factor=st.integers(2, 4),
    draw=st.randoms(use_true_random=False),
)
def test_what_noise_can_cost_is_bounded(values: list[float], noise: float, factor: int, draw: object) -> None:
    """A round that sees each score wrong by at most e keeps one within 2e of the best that it was given."""
    uniform = draw.uniform  # type: ignore[attr-defined]
    found = halve(range(len(values)), 64, factor, 4, lambda one, count: known(values[one] + uniform(-noise, noise)))
    rounds = len(schedule(len(values), 64, factor, 4))
    assert values[found[0].candidate] >= max(values) - 2 * noise * rounds - 1e-9


@given(**SIZES, least=st.integers(1, 50), values=st.lists(st.floats(0, 1), min_size=20, max_size=20))
def test_nobody_is_asked_beyond_the_budget_and_the_bad_ones_least(
    candidates: int, rows: int, factor: int, least: int, values: list[float]
) -> None:
    asked: dict[int, list[int]] = {}

    def score(one: int, count: int) -> Score:
        asked.setdefault(one, []).append(count)
        return known(values[one])

    found = halve(range(candidates), rows, factor, least, score)
    assert all(counts == sorted(counts) and counts[-1] <= rows for counts in asked.values())
    assert sum(max(counts) for counts in asked.values()) <= sum(
        count * few for count, few in schedule(candidates, rows, factor, least)
    )
    stayed = [max(asked[one.candidate]) for one in found]
    assert stayed == sorted(stayed, reverse=True)


def test_a_round_that_shows_a_clear_winner_is_the_last() -> None:
    right = {"good": 1.0, "bad": 0.0, "worse": 0.0, "worst": 0.0}

    def score(one: str, count: int) -> Score:
        return Score(proportion(round(right[one] * count), count), NONE, 1)

    found = halve(list(right), 80, 2, 20, score)
    assert (found[0].candidate, found[0].rows) == ("good", 40)
    assert {one.because for one in found[1:]} == {"clearly below the best"}


def test_of_equal_scores_the_content_then_fewer_tokens_decide() -> None:
    scores = {"long": known(0.5, 90), "short": known(0.5, 80), "form fails": known(0.5, 99, lenient=0.6)}
    found = halve(list(scores), 8, 2, 2, lambda one, count: scores[one])
    assert [one.candidate for one in found] == ["form fails", "short", "long"]


def test_what_cannot_be_tried_is_left_out_with_the_reason() -> None:
    def score(one: str, count: int) -> Score | Unfit:
        return Unfit("too long") if one.startswith("long") else known(0.1)

    found = halve(["long a", "short", "long b"], 8, 2, 2, score)
    assert [(one.candidate, one.rows) for one in found] == [("short", 8), ("long b", 0), ("long a", 0)]
    assert {one.because for one in found if one.score is None} == {"too long"}
    nothing = halve(["long"], 8, 2, 2, score)
    assert [(one.round, one.because) for one in nothing] == [(1, "too long")]
