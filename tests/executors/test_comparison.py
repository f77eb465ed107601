from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap  # type: ignore[import-untyped]
from sklearn.metrics import f1_score

from executors.comparison import Comparison, best, compare, mcnemar, paired_means, paired_perplexity
from executors.intervals import difference, f1, macro_f1, perplexity
from planner.documents import Measurement

DRAW = np.random.default_rng(7)


def records(scores: list[Any], metric: str = "exact_match", part: str = "scores") -> list[dict[str, Any]]:
    return [{"id": str(number), part: {metric: score}} for number, score in enumerate(scores)]


def test_the_paired_interval_is_scipys() -> None:
    one, other = DRAW.normal(0.6, 0.2, 80), DRAW.normal(0.5, 0.2, 80)
    value, low, high = paired_means(one.tolist(), other.tolist(), 0)
    theirs = bootstrap((one - other,), np.mean, n_resamples=9999, method="percentile", rng=DRAW).confidence_interval
    assert value == pytest.approx(float(np.mean(one - other)))
    assert [low, high] == pytest.approx([theirs.low, theirs.high], abs=0.006)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=200))
def test_mcnemar_is_the_binomial_test_of_the_cases_that_changed(pairs: list[tuple[bool, bool]]) -> None:
    one, other = [a for a, _ in pairs], [b for _, b in pairs]
    gained, lost = sum(a and not b for a, b in pairs), sum(b and not a for a, b in pairs)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1.0
    assert mcnemar(one, other) == pytest.approx(expected)
    assert mcnemar(other, one) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("b", "c", "p"),
    # As statsmodels' mcnemar(exact=True) gives it for these two cells.
    [(10, 2, 0.03857421875), (6, 16, 0.052478790283203125), (4, 4, 1.0), (0, 6, 0.03125)],
)
def test_mcnemar_equals_the_reference(b: int, c: int, p: float) -> None:
    one, other = [True] * b + [False] * c + [True] * 20, [False] * b + [True] * c + [True] * 20
    assert mcnemar(one, other) == pytest.approx(p)


def test_a_gain_on_the_same_cases_is_seen_where_separate_intervals_touch() -> None:
    weak = [True] * 50 + [False] * 50
    strong = [True] * 62 + [False] * 38
    found = compare("exact_match", records(strong), records(weak))
    assert found is not None
    (value, low, high), n, p_value = found
    assert [value, n] == pytest.approx([0.12, 100])
    assert 0 < low < value < high
    assert p_value is not None and p_value < 0.01
    kept = Comparison(step="a", against="b", metric="m", value=value, low=low, high=high, n=n, p_value=p_value)
    assert kept.is_real
    assert not kept.model_copy(update={"p_value": 0.06}).is_real
    assert not kept.model_copy(update={"low": -0.01}).is_real


def test_cases_are_paired_by_id_and_others_left_out() -> None:
    one = records([True] * 10)
    other = [*reversed(records([True] * 9 + [False])), {"id": "else", "scores": {"exact_match": False}}]
    found = compare("exact_match", one, other)
    assert found is not None
    assert [found[0][0], found[1]] == pytest.approx([0.1, 10])
    assert compare("exact_match", one, records([True] * 4)) is None
    assert compare("accuracy", one, other) is None


def test_pooled_metrics_differ_by_what_is_measured_of_them() -> None:
    one = [(int(a), 2, 2) for a in DRAW.integers(0, 3, 40)]
    other = [(int(a), 2, 3) for a in DRAW.integers(0, 2, 40)]
    left, right = (
        records(list(map(list, one)), "slot_f1", "counts"),
        records(list(map(list, other)), "slot_f1", "counts"),
    )
    found = compare("slot_f1", left, right)
    assert found is not None and found[2] is None
    assert found[0][0] == pytest.approx(f1(one, 0).value - f1(other, 0).value)
    labels = ["a", "b", "c"]
    said = [[str(x), str(y)] for x, y in zip(DRAW.choice(labels, 40), DRAW.choice(labels, 40), strict=True)]
    meant = [[y, y] if number % 2 else [x, y] for number, (x, y) in enumerate(said)]
    found = compare("macro_f1", records(meant, "macro_f1", "counts"), records(said, "macro_f1", "counts"))
    assert found is not None
    theirs = [
        f1_score([y for _, y in pairs], [x for x, _ in pairs], average="macro", labels=labels)
        for pairs in (meant, said)
    ]
    assert found[0][0] == pytest.approx(theirs[0] - theirs[1])
    assert found[0][1] > 0


def test_perplexity_is_compared_over_tokens() -> None:
    one = [[10.0 + number % 3, 10] for number in range(30)]
    other = [[12.0 + number % 3, 10] for number in range(30)]
    value, low, high = paired_perplexity(one, other, 0)
    assert value == pytest.approx(np.exp(1.1) - np.exp(1.3))
    assert low < value < high < 0
    pairs = [(nll, int(tokens)) for nll, tokens in one]
    assert perplexity(pairs, 0).value == pytest.approx(np.exp(1.1))
    assert perplexity([(0.0, 0)], 0) == Measurement(value=0.0, n=0)


def test_the_difference_of_two_measurements_is_newcombes() -> None:
    # Newcombe (1998), table II: 56/70 less 48/80 is .2000 (.0524 to .3339) by his method 10.
    from executors.intervals import proportion

    found = difference(proportion(56, 70), proportion(48, 80))
    assert [found.low, found.high] == pytest.approx([0.0524, 0.3339], abs=1e-4)
    assert difference(Measurement(value=0.5), Measurement(value=0.2)).low is None


def test_the_best_step_is_the_first_of_equal_ones() -> None:
    metrics = {name: {"m": Measurement(value=value)} for name, value in (("a", 0.5), ("b", 0.7), ("c", 0.7))}
    assert best("m", metrics, falling=False) == "b"
    assert best("m", metrics, falling=True) == "a"
    assert best("other", metrics, falling=False) is None


def test_macro_f1_is_still_scikit_learns() -> None:
    pairs = [("a", "a"), ("b", "a"), ("b", "b"), ("none", "c")]
    wanted, said = [y for _, y in pairs], [x for x, _ in pairs]
    assert macro_f1(pairs, 0).value == pytest.approx(f1_score(wanted, said, average="macro", labels=["a", "b", "c"]))
