from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.metrics import SCORES, slot_counts
from executors.evaluate.scoring import agreement, case_scores, measure, token_agreement
from executors.json_answers import MISSING, leaves, parse_lenient, parse_strict
from executors.text_match import contains, find_label
from tests.executors.tiny import TINY_SCHEMA

JSON_FORM = AnswerForm("json", TINY_SCHEMA)
LABELS = AnswerForm("label", labels=("on", "off", "on hold"))
EXPECTED = '{"intent":"on","slots":{"place":"hall"}}'


@pytest.mark.parametrize(
    ("metric", "prediction", "strict", "lenient"),
    [
        ("json_exact", EXPECTED, True, True),
        ("json_exact", '{"slots": {"place": "hall"}, "intent": "on"}', True, True),
        ("json_exact", f"Sure:\n```json\n{EXPECTED}\n```", False, True),
        ("json_exact", '{"intent":"on","slots":{"place":"Hall"}}', False, False),
        ("json_exact", "", False, False),
        ("json_valid", EXPECTED + EXPECTED, False, True),
        ("json_valid", '{"intent": NaN}', False, False),
        ("json_valid", "[" * 100_000, False, False),
        ("schema_valid", '{"intent":"dim","slots":{}}', False, False),
        ("schema_valid", '{"intent":"off","slots":{}}', True, True),
        ("label_accuracy", '{"intent":"on"}', True, True),
        ("label_accuracy", 'It is {"intent":"on"}.', False, True),
        ("label_accuracy", '{"slots":{"intent":"on"}}', False, False),
        ("exact_match", EXPECTED + "\n", True, True),
        ("exact_match", '{"slots": {"place": "hall"}, "intent": "on"}', False, True),
    ],
)
def test_json_is_scored_strictly_and_leniently(metric: str, prediction: str, strict: bool, lenient: bool) -> None:
    case = Case(JSON_FORM, prediction, EXPECTED)
    assert (SCORES[metric](case, strict=True), SCORES[metric](case, strict=False)) == (strict, lenient)


@pytest.mark.parametrize(
    ("prediction", "strict", "lenient"),
    [("off", True, True), ("Off", False, True), ("It is off, not on.", False, True), ("offline", False, False)],
)
def test_a_label_is_found_in_text_as_a_whole_word(prediction: str, strict: bool, lenient: bool) -> None:
    case = Case(LABELS, prediction, "off")
    for metric in ("label_accuracy", "exact_match"):
        assert (SCORES[metric](case, strict=True), SCORES[metric](case, strict=False)) == (strict, lenient)


def test_the_longer_of_two_labels_at_one_place_is_meant() -> None:
    assert find_label("this is ON HOLD", LABELS.labels) == "on hold"
    assert find_label("neither", LABELS.labels) is None


def test_text_contains_words_not_letters() -> None:
    assert contains('The answer is "Paris, France".', "paris france")
    assert not contains("comparison", "paris")
    assert not contains("anything", "...")


def test_slots_are_counted_by_path_and_value_without_the_label() -> None:
    said = '{"intent":"off","slots":{"place":"HALL","thing":"lamp"}}'
    assert slot_counts(Case(JSON_FORM, said, EXPECTED), strict=True) == (1, 2, 1)
    assert slot_counts(Case(JSON_FORM, "no json", EXPECTED), strict=True) == (0, 0, 1)
    assert slot_counts(Case(JSON_FORM, "so " + said, EXPECTED), strict=True) == (0, 0, 1)
    assert slot_counts(Case(JSON_FORM, "so " + said, EXPECTED), strict=False) == (1, 2, 1)


def test_leaves_name_their_path() -> None:
    value: Any = {"a": {"b": " X ", "c": [1, True, {"d": None}]}}
    assert leaves(value) == [("a.b", "x"), ("a.c[]", "1"), ("a.c[]", "true"), ("a.c[].d", "null")]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(value=st.dictionaries(st.text(), json_values), before=st.text("abc \n:`[}"), after=st.text())
def test_an_object_is_found_in_any_text_around_it(value: Any, before: str, after: str) -> None:
    text = json.dumps(value)
    assert parse_strict(text) == value
    assert parse_lenient(f"{before}{text} {after}") == value


@given(st.text())
def test_any_text_is_read_without_an_error(text: str) -> None:
    strict = parse_strict(text)
    assert strict is MISSING or parse_lenient(text) == strict


@given(prediction=st.text() | json_values.map(json.dumps), expected=json_values.map(json.dumps))
def test_lenient_never_scores_below_strict(prediction: str, expected: str) -> None:
    for form in (JSON_FORM, LABELS):
        case = Case(form, prediction, expected)
        for score in SCORES.values():
            assert score(case, strict=True) <= score(case, strict=False)


def test_validity_brings_the_schema_along_and_all_metrics_have_intervals() -> None:
    cases = [Case(JSON_FORM, EXPECTED, EXPECTED), Case(JSON_FORM, "no", EXPECTED)]
    measured = measure(cases, ["json_valid", "slot_f1"], seed=0)
    assert set(measured) == {
        "json_valid",
        "json_valid_lenient",
        "schema_valid",
        "schema_valid_lenient",
        "slot_f1",
        "slot_f1_lenient",
    }
    assert measured["json_valid"].value == 0.5
    assert measured["slot_f1"].value == pytest.approx(2 / 3)
    assert all(found.low is not None and found.n == 2 for found in measured.values())
    assert case_scores(cases[1], ["json_exact"]) == {"json_exact": False, "json_exact_lenient": False}


def test_agreement_counts_equal_answers_and_missing_ones_as_different() -> None:
    assert agreement({"a": "x", "b": "y", "c": "z"}, {"a": "x", "b": "Y"}).value == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("pairs", "alike", "parted"),
    [
        ([([1, 2, 3], [1, 2, 3])], 4, 0),  # the end counts as a token
        ([([1, 2, 3], [1, 9, 3])], 1, 1),  # nothing is compared beyond a difference
        ([([1, 2], [1, 2, 3])], 2, 1),
        ([([1], [1]), ([5], [6])], 2, 1),
    ],
)
def test_token_agreement_compares_up_to_the_first_difference(
    pairs: list[tuple[list[int], list[int]]], alike: int, parted: int
) -> None:
    measured = token_agreement(pairs)
    assert measured.value == pytest.approx(alike / (alike + parted))
    assert measured.n == alike + parted
