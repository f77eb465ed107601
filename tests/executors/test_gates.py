from __future__ import annotations

import operator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.gates import evaluate, parse_test
from planner.documents import Gate, InputError, Measurement

FINITE = st.floats(allow_nan=False, allow_infinity=False)
METRICS = {
    "evaluate/zero": {"score": Measurement(value=0.5, low=0.4, high=0.6)},
    "evaluate/few": {"score": Measurement(value=0.3, low=0.25)},
}


def gate(**fields: Any) -> Gate:
    given_fields = {"name": "asked", "when": "before", "metric": "score", "steps": tuple(METRICS), "test": "< 0.8"}
    return Gate(**given_fields | fields)


@pytest.mark.parametrize(
    ("fields", "measured"),
    [
        ({}, 0.5),
        ({"combine": "last"}, 0.3),
        ({"bound": "low"}, 0.4),
        ({"bound": "high"}, 0.6),
        ({"bound": "high", "combine": "last"}, 0.3),  # no upper bound: the value stands for it
        ({"steps": ("evaluate/few",)}, 0.3),
        ({"steps": ("evaluate/few", "evaluate/skipped")}, 0.3),
    ],
)
def test_a_gate_looks_at_the_bound_and_steps_that_it_names(fields: dict[str, Any], measured: float) -> None:
    assert evaluate(gate(**fields), METRICS).measured == measured


@pytest.mark.parametrize("metrics", [{}, {"evaluate/zero": {"other": Measurement(value=1.0)}}])
@pytest.mark.parametrize(
    ("test", "passed"),
    [("< 0.8", True), ("<= 0", True), ("!= 0", True), (">= 0.5", False), ("> -1e9", False), ("= 0", False)],
)
def test_what_was_not_measured_is_below_every_number(test: str, metrics: dict[str, Any], *, passed: bool) -> None:
    result = evaluate(gate(test=test), metrics)
    assert result.passed is passed
    assert result.measured is None
    assert "score was not measured" in result.sentence


def test_a_measurement_that_is_no_number_does_not_count() -> None:
    assert evaluate(gate(test="> 0"), {"evaluate/zero": {"score": Measurement(value=float("nan"))}}).measured is None


def test_the_sentence_says_what_was_compared() -> None:
    assert evaluate(gate(bound="low"), METRICS).sentence == "asked: yes, score is 0.5, 0.4 at least (test: < 0.8)"


@given(value=FINITE, limit=FINITE, word=st.sampled_from(["<", "<=", "=", "!=", ">=", ">"]))
def test_comparisons_are_those_of_numbers(value: float, limit: float, word: str) -> None:
    compare = {
        "<": operator.lt,
        "<=": operator.le,
        "=": operator.eq,
        "!=": operator.ne,
        ">=": operator.ge,
        ">": operator.gt,
    }
    result = evaluate(gate(test=f"{word} {limit!r}", steps=("a/b",)), {"a/b": {"score": Measurement(value=value)}})
    assert result.passed == compare[word](value, limit)


@pytest.mark.parametrize("test", ["", "0.8", "~ 0.8", "< $target", "< 0.8 or 1", "< nan", "__import__('os')"])
def test_a_test_is_one_comparison_and_nothing_else(test: str) -> None:
    with pytest.raises(InputError, match="is not a comparison with a number"):
        parse_test(test)


@pytest.mark.parametrize(
    ("against", "bound", "test", "passed"),
    [
        ("evaluate/zero", "value", ">= -0.25", True),
        ("evaluate/zero", "value", ">= -0.1", False),
        ("evaluate/few", "value", ">= 0", True),  # nothing lost against itself
    ],
)
def test_a_gate_may_look_at_the_difference_to_another_step(
    against: str, bound: str, test: str, *, passed: bool
) -> None:
    asked = gate(steps=("evaluate/few",), against=against, bound=bound, test=test)
    assert evaluate(asked, METRICS).passed is passed


def test_a_loss_within_chance_is_none() -> None:
    before = {"score": Measurement(value=0.5, low=0.4, high=0.6, n=50)}
    after = {"score": Measurement(value=0.42, low=0.32, high=0.52, n=50)}
    metrics = {"evaluate/before": before, "evaluate/after": after}
    asked = gate(steps=("evaluate/after",), against="evaluate/before", bound="high", test=">= -0.02")
    result = evaluate(asked, metrics)
    assert result.passed
    assert result.measured == pytest.approx(-0.08 + (0.1**2 + 0.1**2) ** 0.5)
    assert "score less that of evaluate/before" in result.sentence
    assert not evaluate(asked.model_copy(update={"bound": "value"}), metrics).passed


def test_a_difference_to_what_was_not_measured_is_no_evidence() -> None:
    asked = gate(steps=("evaluate/few",), against="evaluate/skipped", test=">= -1")
    result = evaluate(asked, METRICS)
    assert (result.passed, result.measured) == (False, None)
