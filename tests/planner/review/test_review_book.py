"""The rule book of reviews: every rule is broken by a configuration, and has a fix and a severity of its own."""

from __future__ import annotations

from planner.facts import FACTS
from planner.review.judge import _NAMED
from planner.rules import review_book
from tests.planner.review.faults import FAULTS


def test_every_rule_of_a_review_has_a_configuration_that_breaks_it() -> None:
    elsewhere = {"RME103", "RDA103", "RDA113", "RFA105", "ROW101", "ROW102", "ROW103", "ROW104"}
    assert {rule.id for rule in review_book().rules} == {code for code, *_ in FAULTS} | elsewhere


def test_every_fact_that_a_sentence_names_exists() -> None:
    named = {name for rule in review_book().rules for name in _NAMED.findall(f"{rule.name} {rule.fix}")}
    assert named
    assert named <= FACTS.keys()


def test_every_rule_of_a_review_has_its_own_fix_and_severity() -> None:
    for rule in review_book().rules:
        assert rule.severity in ("error", "warning", "note"), rule.id
        assert rule.fix, rule.id
        assert str(rule.answer) == str(rule.answer).lower(), rule.id
