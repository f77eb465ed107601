"""One cell, one comparison: every form, its opposite, and what two of them have in common."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.rules.cells import CellError, parse_cell
from planner.rules.cells import Test as Comparison

THRESHOLDS = {"few": 3, "share": 0.2}
# The cell, what it means, and values that pass and do not.
FORMS: dict[str | bool | float, tuple[str, list[object], list[object]]] = {
    True: ("= true", [True], [False, 1, "true"]),
    False: ("= false", [False], [True, 0]),
    "true": ("= true", [True], [False, "true"]),
    "= false": ("= false", [False], [True]),
    "!= true": ("!= true", [False, 1], [True]),
    4: ("= 4", [4, 4.0], [5, True, "4"]),
    0.25: ("= 0.25", [0.25], [0.2]),
    "lora": ("= lora", ["lora"], ["LoRA", "qlora"]),
    "rag+finetune": ("= rag+finetune", ["rag+finetune"], ["rag"]),
    "= 3": ("= 3", [3], [4]),
    "!= lora": ("!= lora", ["full", 3], ["lora"]),
    "in [a, b]": ("in [a, b]", ["a", "b"], ["c"]),
    "in [1, 2]": ("in [1, 2]", [1, 2.0], [3, True]),
    "< 3": ("< 3", [2, -1.5], [3, 4, "2", True, None]),
    "<= 3": ("<= 3", [3], [3.001]),
    "> 3": ("> 3", [3.5], [3]),
    ">= 1e3": (">= 1000", [1000], [999.9]),
    "< $few": ("< 3", [2], [3]),
    ">= $share": (">= 0.2", [0.2], [0.1999]),
    "1..5": ("1..5", [1, 5, 2.5], [0.9, 5.1, "3"]),
    "1..$few": ("1..3", [3], [4]),
    "-1.5..2e1": ("-1.5..20", [-1.5, 20], [21]),
    "  < 3 ": ("< 3", [2], [3]),
}
BAD = {
    "": "not one comparison",
    "< 3 and > 1": "not one comparison",
    "in []": "not one comparison",
    "in [a,, b]": "not one comparison",
    "in [a, 1]": "mixes words and numbers",
    "3 < x": "not one comparison",
    "< lora": "orders a word",
    ">= true": "orders a word",
    "< $gone": r"no threshold \$gone",
    "$few": "not one comparison",
    "5..1": "wrong way round",
    "a..b": "not one comparison",
    "__import__('os')": "not one comparison",
}

numbers = st.integers(-4, 4) | st.sampled_from([-2.5, 0.5, 1.5])
ordered = st.builds(lambda op, number: Comparison(op, (number,)), st.sampled_from(["<", "<=", ">", ">="]), numbers)
equal = st.builds(lambda op, number: Comparison(op, (number,)), st.sampled_from(["=", "!="]), numbers)
ranges = st.builds(lambda a, b: Comparison("..", (min(a, b), max(a, b))), numbers, numbers)
lists = st.builds(lambda items: Comparison("in", tuple(items)), st.lists(numbers, min_size=1, max_size=3))
tests = ordered | equal | ranges | lists
words = st.sampled_from(["a", "b", "rag+finetune", "int8"])
word_tests = st.builds(lambda op, word: Comparison(op, (word,)), st.sampled_from(["=", "!="]), words)
flags = st.builds(lambda op, flag: Comparison(op, (flag,)), st.sampled_from(["=", "!="]), st.booleans())
# Between and around every operand there is one of these.
LINE = [number / 4 for number in range(-24, 25)]


@pytest.mark.parametrize("cell", FORMS, ids=repr)
def test_a_form_means_what_it_says(cell: str | bool | float) -> None:
    text, passing, failing = FORMS[cell]
    test = parse_cell(cell, THRESHOLDS)
    assert str(test) == text
    assert all(test.holds(value) for value in passing)  # type: ignore[arg-type]
    assert not any(test.holds(value) for value in failing)  # type: ignore[arg-type]


@pytest.mark.parametrize("cell", BAD)
def test_anything_else_is_refused(cell: str) -> None:
    with pytest.raises(CellError, match=BAD[cell]):
        parse_cell(cell, THRESHOLDS)


@pytest.mark.parametrize("cell", [None, ["a"], {"a": 1}])
def test_a_cell_is_a_scalar(cell: object) -> None:
    with pytest.raises(CellError, match="not one comparison"):
        parse_cell(cell, THRESHOLDS)  # type: ignore[arg-type]


@given(tests | word_tests | flags | st.builds(lambda x: Comparison("<", (x,)), st.floats(-1e9, 1e9)))
def test_a_comparison_reads_back_from_its_text(test: Comparison) -> None:
    assert parse_cell(str(test), {}) == test


@given(tests, st.sampled_from(LINE))
def test_the_opposite_holds_when_the_test_does_not(test: Comparison, value: float) -> None:
    opposite = test.opposite()
    if opposite.startswith(("outside", "not in")):
        inside = parse_cell(opposite.removeprefix("outside ").removeprefix("not "), {})
        assert test.holds(value) == inside.holds(value)
    else:
        assert parse_cell(opposite, {}).holds(value) != test.holds(value)


@given(flags, st.booleans())
def test_the_opposite_of_yes_is_no(test: Comparison, value: bool) -> None:
    assert test.opposite().startswith("= ")
    assert parse_cell(test.opposite(), {}).holds(value) != test.holds(value)


@given(tests, tests)
def test_disjoint_tests_have_no_value_in_common(one: Comparison, two: Comparison) -> None:
    shared = [value for value in LINE if one.holds(value) and two.holds(value)]
    assert one.disjoint(two) == two.disjoint(one)
    if "!=" not in (one.op, two.op):
        assert one.disjoint(two) == (not shared)
    elif one.disjoint(two):
        assert not shared


def test_words_and_numbers_never_meet() -> None:
    for one, two in itertools.product(
        [Comparison("=", ("a",)), Comparison("in", ("a", "b"))], [Comparison("<", (3,)), Comparison("=", (3,))]
    ):
        assert one.disjoint(two)
        assert two.disjoint(one)


def test_the_kind_of_a_test_is_that_of_its_operands() -> None:
    kinds = {"true": "bool", "lora": "word", "in [a, b]": "word", "< 3": "number", "1..2": "number", "= false": "bool"}
    assert {cell: parse_cell(cell, {}).kind() for cell in kinds} == kinds
