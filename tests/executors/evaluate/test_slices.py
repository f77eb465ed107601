from __future__ import annotations

import pytest

from executors.data import Row
from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.slices import slices

LABELS = AnswerForm("label", labels=("on", "off"))


def rows_and_cases(count: int = 60) -> tuple[list[Row], list[Case]]:
    """Every other label; the places are right but for the cellar, where all is wrong."""
    rows, cases = [], []
    for number in range(count):
        label, place = ("on", "off")[number % 2], ("hall", "garden", "cellar")[number % 3]
        rows.append(Row(str(number), "x" * (number + 1), label, slices=(("place", place), ("serial", str(number)))))
        cases.append(Case(LABELS, "?" if place == "cellar" else label, label))
    return rows, cases


def test_slices_that_lie_apart_come_first_with_their_metrics_and_intervals() -> None:
    rows, cases = rows_and_cases()
    table = slices(rows, cases, ["label_accuracy", "macro_f1"], 0)
    first = table[0]
    assert isinstance(first, dict)
    assert (first["name"], first["value"], first["n"]) == ("place", "cellar", 20)
    [figures] = first["metrics"].values()  # type: ignore[union-attr]
    assert figures == {"value": 0.0, "low": 0.0, "high": pytest.approx(0.161125, abs=1e-5)}
    assert {(each["name"], each["value"]) for each in table if isinstance(each, dict)} == {
        *(("place", place) for place in ("hall", "garden", "cellar")),
        *(("label", label) for label in ("on", "off")),
        *(("length", third) for third in ("short", "middling", "long")),
    }, "a field that is another in every row is no slice"
    assert len(table) <= 12


def test_a_slice_has_at_least_five_cases() -> None:
    rows, cases = rows_and_cases(12)
    assert {each["name"] for each in slices(rows, cases, ["label_accuracy"], 0) if isinstance(each, dict)} == {"label"}


def test_at_most_twelve_are_kept() -> None:
    rows = [Row(str(number), "x", "a", slices=(("kind", str(number % 20)),)) for number in range(200)]
    cases = [Case(AnswerForm("text"), "a" if number % 20 < 10 else "b", "a") for number in range(200)]
    assert len(slices(rows, cases, ["exact_match"], 0)) == 12


def test_metrics_that_only_a_whole_has_are_not_sliced() -> None:
    rows, cases = rows_and_cases()
    assert slices(rows, cases, ["bleu", "agreement", "perplexity"], 0) == []
    assert slices([], [], ["exact_match"], 0) == []


def test_pooled_slots_are_sliced() -> None:
    form = AnswerForm("json", {"properties": {"intent": {"enum": ["a", "b"]}}})
    rows = [Row(str(number), "x", '{"intent":"a","s":1}') for number in range(20)]
    said = {label: f'{{"intent":"{label}","s":1}}' for label in "ab"}
    wanted = {"a": said["a"], "b": said["b"].replace("1", "2")}
    cases = [Case(form, said["ab"[number % 2]], wanted["ab"[number % 2]]) for number in range(20)]
    table = {each["value"]: each["metrics"] for each in slices(rows, cases, ["slot_f1"], 0) if isinstance(each, dict)}
    right, wrong = table["a"]["slot_f1"], table["b"]["slot_f1"]
    assert (right["value"], right["high"], wrong["value"], wrong["low"]) == (1.0, 1.0, 0.0, 0.0)
    # Ten of ten right is no proof that all are.
    assert right["low"] == pytest.approx(1 - wrong["high"])
    assert 0.5 < right["low"] < 1
