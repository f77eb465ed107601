"""One pass over the decisions: tiers, unknowns, and a record of why and why not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import Decision, InputError, Rejected
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
    assert {item.answer: item.needs for item in found.rejected} == {
        "a": ("no pin at overrides.choice",),
        "c": ("no pin at overrides.choice",),
    }


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


def test_pins_that_exclude_each_other_are_refused_with_both_named(engine: Engine) -> None:
    after = decision("after") + rule(8, '{ choice = "a" }', 'vetoes = ["b"]', decides="after", name="b needs no a")
    with pytest.raises(InputError) as caught:
        engine.all(CHOICE, after, pins={"choice": "a", "after": "b"})
    [finding] = caught.value.findings
    assert "pins after to `b` and choice to `a`, which exclude each other: rule TST008" in finding.message
    assert "b needs no a" in finding.message
    assert "Take one of the pins out." in finding.fix


def rejections(found: Decision) -> dict[Any, Rejected]:
    return {item.answer: item for item in found.rejected}


def test_a_rejected_answer_says_what_it_would_have_needed(engine: Engine) -> None:
    rules = rule(1, '[{ size = "> 9", ready = true }, { size = "> 9", speed = "> 1", colour = "red" }]')
    rejected = rejections(engine.choice(CHOICE, rules, size=5, ready=True, speed=0.5))["a"]
    assert rejected.because == 'rule TST001 does not hold: "reason 1"'
    assert rejected.rules == ("TST001",)
    assert rejected.needs == ("size > 9 (it is 5)",)
    assert rejected.other_ways == 1
    unknown = rejections(engine.choice(CHOICE, rules, size=5, speed=2))["a"]
    assert unknown.needs == ("size > 9 (it is 5)", "ready = true (it is unknown)")


def test_an_answer_that_no_rule_gives_can_be_pinned(engine: Engine) -> None:
    rejected = rejections(engine.choice(CHOICE, rule(1, "{ ready = true }"), ready=True))["b"]
    assert (rejected.because, rejected.needs) == ("no rule answers it", ("a pin: overrides.choice = b",))


def test_an_answer_that_held_too_but_came_later_needs_the_first_rule_to_fail(engine: Engine) -> None:
    rules = rule(1, "{ ready = true }"), rule(2, '{ size = "> 3" }', 'answer = "b"')
    rejected = rejections(engine.choice(CHOICE, *rules, ready=True, size=4))["b"]
    assert (rejected.because, rejected.needs) == ("`a` was answered first", ("ready = false (it is true)",))


def test_an_answer_whose_own_conditions_hold_the_first_rule_up_needs_that_rule_disabled(engine: Engine) -> None:
    rules = rule(1, "{ ready = true }"), rule(2, "{ ready = true }", 'answer = "b"')
    rejected = rejections(engine.choice(CHOICE, *rules, ready=True))["b"]
    assert rejected.needs == ("rule TST001 disabled",)


def test_a_late_answer_needs_its_own_conditions_and_the_first_rule_to_fail(engine: Engine) -> None:
    rules = rule(1, "{ ready = true }"), rule(2, '{ size = "> 3" }', 'answer = "b"')
    rejected = rejections(engine.choice(CHOICE, *rules, ready=True, size=2))["b"]
    assert rejected.needs == ("size > 3 (it is 2)", "ready = false (it is true)")


def test_the_default_needs_every_rule_to_fail(engine: Engine) -> None:
    rejected = rejections(engine.choice(CHOICE, rule(1, "{ ready = true }"), ready=True))["c"]
    assert rejected.because == "it is the default, and `a` is answered by a rule"
    assert rejected.needs == ("ready = false (it is true)",)


def test_a_vetoed_answer_needs_the_veto_lifted_and_a_rule_that_offers_it(engine: Engine) -> None:
    rules = rule(1, '{ size = "> 9" }'), rule(2, "{ ready = true, speed = 1 }", 'vetoes = ["a"]', name="a is too slow")
    rejected = rejections(engine.choice(CHOICE, *rules, size=5, ready=True, speed=1))["a"]
    assert rejected.because == "a is too slow"
    assert rejected.needs == ("ready = false (it is true) or speed != 1 (it is 1)", "size > 9 (it is 5)")


def test_the_record_names_the_thresholds_and_what_an_answer_stands_for(engine: Engine) -> None:
    text = CHOICE.replace("choice", "number").replace('["a", "b", "c"]', '"any"').replace('"c"', "1")
    text += '[threshold.limit]\nvalue = 4\nunit = "x"\nwhy = "y"\n'
    found = engine.all(text, rule(1, '{ size = ">= $limit" }', 'answer = "@speed"', decides="number"), size=5, speed=7)
    [trace] = found["number"].trace
    assert (trace.rows[0][0].test, trace.rows[0][0].thresholds) == (">= 4", ("limit",))
    assert (trace.answer, trace.value) == ("@speed", 7)


def test_a_rule_whose_answer_is_unknown_is_passed_over_and_listed(engine: Engine) -> None:
    found = engine.choice(
        CHOICE.replace('["a", "b", "c"]', '"any"'), rule(1, "{ ready = true }", 'answer = "@size"'), ready=True
    )
    assert found.answer == "c"
    assert found.missing == ("size: nobody measured size; it would open TST001",)


def test_every_collected_answer_keeps_its_own_reason(engine: Engine) -> None:
    rules = rule(1, "{ ready = true }", 'answer = "b"'), rule(2, '{ size = "> 9" }')
    found = engine.choice(COLLECT, *rules, ready=True, size=5)
    assert [(item.answer, item.rule, item.because, item.why) for item in found.reasons] == [
        ("b", "TST001", "reason 1", "It is so.")
    ]
    assert {item.answer: item.needs for item in found.rejected} == {
        "a": ("size > 9 (it is 5)",),
        "c": ("a pin: overrides.choice = c",),
    }
