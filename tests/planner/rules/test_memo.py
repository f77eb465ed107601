"""What an evaluation keeps changes no answer and no byte: equal values give equal records."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from planner.documents import canonical_json
from planner.planning import plan
from planner.rules import evaluate, plan_table
from planner.rules.memo import LIMIT, Store
from tests.planner.random_specs import specs
from tests.planner.rules.books import board, decision, rule, table

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

RELAXED = settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])


@given(st.lists(specs(), min_size=2, max_size=3))
@RELAXED
def test_a_plan_is_the_same_whatever_was_planned_before(several: list[dict[str, Any]]) -> None:
    warm = [canonical_json(plan(spec).to_json()) for spec in [*several, *several]][len(several) :]
    fresh = []
    for spec in several:
        plan_table(()).memo.clear()
        fresh.append(canonical_json(plan(spec).to_json()))
    assert warm == fresh


def test_values_that_python_holds_for_equal_are_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = table(tmp_path, monkeypatch, decision("choice"), rule(1, '{ size = ">= 1" }'))
    for value in (1, 1.0, 1, 2.0, 2):
        [found] = evaluate(rules, board(size=value), {})
        assert repr(found.trace[0].rows[0][0].value) == repr(value)


def test_a_reason_for_not_knowing_is_part_of_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from planner.facts import Unknown

    rules = table(tmp_path, monkeypatch, decision("choice"), rule(1, '{ size = ">= 1" }'))
    for reason in ("nobody looked", "it was lost", "nobody looked"):
        [found] = evaluate(rules, board(size=Unknown(reason)), {})
        assert found.missing == (f"size: {reason}; it would open TST001",)


def test_a_fact_that_gives_the_answer_is_looked_at_each_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = decision("choice", '"any"', "default = 1")
    rules = table(tmp_path, monkeypatch, text, rule(1, "{ ready = true }", 'answer = "@size"'))
    for size in (3, 5, 3):
        [found] = evaluate(rules, board(ready=True, size=size), {})
        assert found.answer == size


def test_a_pin_is_no_other_plans_pin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rules = table(tmp_path, monkeypatch, decision("choice", more='default = "c"'), rule(1, "{ ready = true }"))
    for pins, answer in (({}, "a"), ({"choice": "b"}, "b"), ({}, "a"), ({"choice": "c"}, "c")):
        [found] = evaluate(rules, board(ready=True), pins)
        assert found.answer == answer


def test_a_store_is_bounded() -> None:
    store: Store[int] = Store()
    for number in range(3 * LIMIT):
        store.keep(number, number)
    assert store.get(0) is None
    assert store.get(3 * LIMIT - 1) == 3 * LIMIT - 1
