"""One pass over the decisions: tiers, unknowns, and a record of why and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import Decision, InputError
from planner.rules import evaluate
from tests.planner.rules.books import board, decision, rule, table

if TYPE_CHECKING:
    from pathlib import Path

CHOICE = decision("choice", more='default = "c"')


class Engine:
    """Evaluates a small book."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._folder, self._monkeypatch = folder, monkeypatch

    def all(self, *parts: str, pins: dict[str, Any] | None = None, **values: Any) -> dict[str, Decision]:
        found = evaluate(table(self._folder, self._monkeypatch, *parts), board(**values), pins or {})
        return {item.question: item for item in found}

    def choice(self, *parts: str, pins: dict[str, Any] | None = None, **values: Any) -> Decision:
        return self.all(*parts, pins=pins, **values)["choice"]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(tmp_path, monkeypatch)


def test_the_first_rule_that_holds_answers(engine: Engine) -> None:
    rules = rule(1, '{ size = "> 9" }'), rule(2, '{ size = "> 3" }', 'answer = "b"'), rule(3, "{ ready = true }")
    found = engine.choice(CHOICE, *rules, size=5, ready=True)
    assert (found.answer, found.rule, found.tier, found.because) == ("b", "TST002", "user", "reason 2")
    assert found.why == "It is so."
    assert found.cite == ("book:lora",)


def test_without_a_rule_that_holds_the_default_answers_with_its_reason(engine: Engine) -> None:
    found = engine.choice(CHOICE, rule(1, '{ size = "> 9" }'), size=5)
    assert (found.answer, found.rule, found.tier, found.because) == ("c", None, "default", "nothing else is known")


def test_the_cells_of_a_row_must_all_hold_and_one_row_is_enough(engine: Engine) -> None:
    rows = rule(1, '[{ size = "> 3", ready = true }, { colour = "red" }]')
    for values, answer in (
        ({"size": 4, "ready": True, "colour": "blue"}, "a"),
        ({"size": 4, "ready": False, "colour": "blue"}, "c"),
        ({"size": 1, "ready": False, "colour": "red"}, "a"),
    ):
        assert engine.choice(CHOICE, rows, **values).answer == answer


def test_the_record_keeps_every_cell_with_its_value_test_and_verdict(engine: Engine) -> None:
    found = engine.choice(CHOICE, rule(1, '{ size = "> 3", ready = true, colour = "red" }'), size=4, ready=False)
    [trace] = found.trace
    assert [(cell.fact, cell.test, cell.value, cell.verdict) for cell in trace.rows[0]] == [
        ("size", "> 3", 4, "holds"),
        ("ready", "= true", False, "fails"),
        ("colour", "= red", None, "unknown"),
    ]
    assert trace.verdict == "fails"


def test_unknown_never_matches_and_is_listed_with_the_rules_that_it_would_open(engine: Engine) -> None:
    rules = rule(1, '{ size = "> 3" }'), rule(2, '{ size = "<= 3" }', 'answer = "b"'), rule(3, '{ speed = "!= 1" }')
    found = engine.choice(CHOICE, *rules)
    assert found.answer == "c"
    assert found.missing == (
        "size: nobody measured size; it would open TST001, TST002",
        "speed: nobody measured speed; it would open TST003",
    )
    assert [trace.verdict for trace in found.trace] == ["unknown"] * 3


def test_a_veto_that_is_unknown_forbids_nothing(engine: Engine) -> None:
    found = engine.choice(
        CHOICE, rule(1, "{ ready = true }"), rule(2, '{ size = "> 3" }', 'vetoes = ["a"]'), ready=True
    )
    assert found.answer == "a"


def test_a_veto_passes_the_answer_on_to_the_next_rule(engine: Engine) -> None:
    rules = (
        rule(1, "{ ready = true }"),
        rule(2, "{ ready = true }", 'answer = "b"'),
        rule(3, "{ ready = true }", 'vetoes = ["a"]', name="a cannot work"),
    )
    found = engine.choice(CHOICE, *rules, ready=True)
    assert (found.answer, found.rule) == ("b", "TST002")
    rejected = {item.answer: item for item in found.rejected}
    assert rejected["a"].because == "a cannot work"
    assert rejected["a"].needs == ("ready = false (it is true)",)


def test_a_vetoed_default_leaves_nothing(engine: Engine) -> None:
    found = engine.choice(CHOICE, rule(1, '{ size = "> 3" }', 'vetoes = ["c"]', name="c is too big"), size=4)
    assert found.answer is None
    assert found.because == "nothing is left: c is too big"
    assert found.rejected[-1].needs == ("size <= 3 (it is 4)",)


def test_a_pin_goes_before_every_rule(engine: Engine) -> None:
    found = engine.choice(CHOICE, rule(1, "{ ready = true }"), ready=True, pins={"choice": "b"})
    assert (found.answer, found.tier, found.rule) == ("b", "pin", None)
    assert [item.answer for item in found.rejected] == ["a"]


def test_a_pin_against_a_veto_is_refused_with_both_named(engine: Engine) -> None:
    with pytest.raises(InputError) as caught:
        engine.choice(CHOICE, rule(7, "{ ready = true }", 'vetoes = ["b"]'), ready=True, pins={"choice": "b"})
    [finding] = caught.value.findings
    assert finding.where.pointer == "/overrides/choice"
    assert "pins choice to `b`" in finding.message
    assert "TST007" in finding.message
    assert finding.fix == "Needed: ready = false (it is true)."


@pytest.mark.parametrize(
    ("answers", "pin", "allowed"),
    [
        ('["a", "b"]', "x", "Allowed: a, b."),
        ('["a", "b"]', None, "Allowed: a, b."),
        ('["a", "b"]', ["a"], "Allowed: a, b."),
        ('"count"', 0, "whole number"),
        ('"count"', 1.5, "whole number"),
        ('"count"', True, "whole number"),
        ('"number"', "fast", "number of zero or more"),
        ('"number"', -0.1, "number of zero or more"),
        ('"flag"', 1, "true or false"),
        ('"word"', "", "word"),
    ],
)
def test_a_pin_must_be_an_answer(engine: Engine, answers: str, pin: Any, allowed: str) -> None:
    with pytest.raises(InputError, match="is no answer to choice") as caught:
        engine.choice(decision("choice", answers), pins={"choice": pin})
    assert allowed in caught.value.findings[0].fix


@pytest.mark.parametrize(("answers", "pin"), [('"count"', 4), ('"number"', 0), ('"flag"', False), ('"word"', "all")])
def test_a_pin_may_be_a_number_a_word_or_a_flag(engine: Engine, answers: str, pin: Any) -> None:
    assert engine.choice(decision("choice", answers), pins={"choice": pin}).answer == pin


def test_every_bad_pin_is_told_at_once_even_when_others_build_on_it(engine: Engine) -> None:
    after = decision("after") + rule(1, '{ choice = "a" }', decides="after")
    with pytest.raises(InputError) as caught:
        engine.all(CHOICE, after, pins={"choice": "x", "after": "y", "gone": 1})
    assert sorted(str(finding.where.pointer) for finding in caught.value.findings) == [
        "/overrides/after",
        "/overrides/choice",
        "/overrides/gone",
    ]


def test_a_decision_reads_another_ones_answer_whatever_the_order_in_the_book(engine: Engine) -> None:
    text = decision("after") + rule(1, '{ choice = "b" }', decides="after") + CHOICE
    found = engine.all(text, rule(2, "{ ready = true }", 'answer = "b"'), ready=True)
    assert found["after"].answer == "a"
    assert list(found) == ["after", "choice"], "the record keeps the order of the book"


COLLECT = decision("choice", more='policy = "collect"')


def test_collect_takes_every_answer_in_the_order_of_the_book(engine: Engine) -> None:
    rules = rule(1, "{ ready = true }", 'answer = "b"'), rule(2, '{ size = "> 9" }'), rule(3, '{ size = "> 3" }')
    found = engine.choice(COLLECT, *rules, ready=True, size=5)
    assert found.answer == ["b", "a"]
    assert found.because == "reason 1; reason 3"
    assert engine.choice(COLLECT, *rules, ready=False, size=1).answer == []


def test_collect_leaves_out_what_is_vetoed_and_takes_a_list_as_a_pin(engine: Engine) -> None:
    rules = rule(1, "{ ready = true }"), rule(2, "{ ready = true }", 'vetoes = ["a"]')
    assert engine.choice(COLLECT, *rules, ready=True).answer == []
    assert engine.choice(COLLECT, *rules, ready=True, pins={"choice": ["c", "b"]}).answer == ["c", "b"]
    for pin in ("b", ["x"], ["a"]):
        with pytest.raises(InputError):
            engine.choice(COLLECT, *rules, ready=True, pins={"choice": pin})


def test_an_answer_may_be_a_threshold_or_a_fact(engine: Engine) -> None:
    text = decision("choice", '"any"', 'default = "$limit"') + '[threshold.limit]\nvalue = 4\nunit = "x"\nwhy = "y"\n'
    rules = rule(1, '{ size = "> 3" }', 'answer = "@size"')
    assert engine.choice(text, rules, size=5).answer == 5
    assert engine.choice(text, rules, size=2).answer == 4


def test_a_rejected_answer_says_what_it_would_have_needed(engine: Engine) -> None:
    rules = rule(1, '[{ size = "> 9", ready = true }, { size = "> 9", speed = "> 1", colour = "red" }]')
    found = engine.choice(CHOICE, rules, size=5, ready=True, speed=0.5)
    [rejected] = found.rejected
    assert rejected.answer == "a"
    assert rejected.rules == ("TST001",)
    assert rejected.needs == ("size > 9 (it is 5)",)
    unknown = engine.choice(CHOICE, rules, size=5, speed=2)
    assert unknown.rejected[0].needs == ("size > 9 (it is 5)", "ready = true (it is unknown)")


def test_an_answer_that_held_too_but_came_later_is_said_to_be_late(engine: Engine) -> None:
    rules = rule(1, "{ ready = true }"), rule(2, "{ ready = true }", 'answer = "b"')
    [rejected] = engine.choice(CHOICE, *rules, ready=True).rejected
    assert (rejected.answer, rejected.because, rejected.needs) == ("b", "`a` was answered first", ())
