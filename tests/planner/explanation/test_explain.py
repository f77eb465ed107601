"""A decision is explained from the record: the answer, because, the numbers, the source, what was not chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings

from adapt.render.explain import first_page, in_full
from adapt.render.page import as_markdown
from planner.documents import InputError
from planner.explanation import explain
from planner.explanation.words import amount
from planner.planning import plan
from tests.planner.explanation.plans import SPECS, decision, planned, small_card
from tests.planner.random_specs import specs

if TYPE_CHECKING:
    from planner.explanation.documents import ExplainedDecision

RELAXED = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def explained(name: str, question: str) -> ExplainedDecision:
    [found] = explain(planned(name), [question]).decisions
    return found


def test_a_decision_is_told_with_its_rule_reasoning_and_question() -> None:
    found, recorded = explained("small card", "method"), decision(planned("small card"), "method")
    assert (found.answer, found.rule, found.because, found.why) == (
        recorded.answer,
        recorded.rule,
        recorded.because,
        recorded.why,
    )
    assert found.answer == "qlora"
    assert found.asks.endswith("?")


def test_the_numbers_name_fact_value_test_and_threshold_in_bytes() -> None:
    numbers = explained("small card", "method").numbers
    assert numbers
    for number in numbers:
        assert number.verdict == "holds"
        assert isinstance(number.value, float)
        assert number.test.startswith((">", "<"))
        assert number.thresholds
        assert "GB of 25.8 GB" in number.found
        assert number.says.startswith("Share")


def test_sources_are_told_in_full() -> None:
    for source in explained("small card", "method").sources:
        assert source.key not in source.text
        assert "http" in source.text or "ISBN" in source.text


def test_every_other_answer_is_there_with_what_it_would_need() -> None:
    found, recorded = explained("small card", "method"), decision(planned("small card"), "method")
    assert {str(item.answer) for item in found.rejected} == {str(item.answer) for item in recorded.rejected}
    assert len(found.rejected) > 5
    assert all(item.needs for item in found.rejected)
    full = next(item for item in found.rejected if item.answer == "full")
    assert any("too much" in need and "GB" in need for need in full.needs)


def test_the_steps_that_follow_are_named() -> None:
    assert "train/sft" in [step.address for step in explained("small card", "method").steps]


def test_what_was_not_known_says_which_rules_it_would_have_opened() -> None:
    unknown = {item.fact: item for item in explained("private facts", "approach").unknown}
    assert unknown
    assert all(item.reason and item.rules for item in unknown.values())


def test_an_unknown_fact_of_a_later_rule_would_not_change_the_answer() -> None:
    late = explain(plan(small_card(overrides={"approach": "finetune"})), ["approach"]).decisions[0].unknown
    assert late
    assert not any(item.matters for item in late if not any(rule.startswith("APP0") for rule in item.rules))


def test_each_of_several_answers_has_its_own_reason() -> None:
    found = explained("private facts", "rungs")
    assert [item.answer for item in found.answers] == found.answer
    assert len({item.because for item in found.answers}) == len(found.answers)


def test_a_question_that_is_not_there_is_refused_with_a_near_name() -> None:
    with pytest.raises(InputError, match="Did you mean `method`") as caught:
        explain(planned("small card"), ["methd"])
    assert caught.value.exit_code == 2


def test_the_first_page_leads_with_the_answer_and_rules_out_what_cannot_work() -> None:
    document = planned("small card")
    text = as_markdown(first_page(document, explain(document)))
    assert text.startswith(f"# {document.name}: finetune\n")
    for word in ("## What to do", "## How to train", "## Ruled out", "GB of 25.8 GB", "adapt why-not PLAN"):
        assert word in text
    assert len(text.splitlines()) < 90


def test_the_first_page_leaves_out_what_no_step_uses() -> None:
    document = planned("three parts")
    text = as_markdown(first_page(document, explain(document)))
    assert "| merge | **chained-slerp** |" in text
    assert "How to train" not in text


@pytest.mark.parametrize("name", SPECS)
def test_the_same_plan_gives_the_same_explanation(name: str) -> None:
    assert explain(planned(name)).to_json() == explain(planned(name)).to_json()


@given(specs())
@RELAXED
def test_every_decision_of_every_plan_is_told_with_its_answer_and_a_source(spec: dict[str, Any]) -> None:
    document = plan(spec)
    for found in explain(document).decisions:
        text = as_markdown(in_full(explain(document, [found.question])))
        assert f"{found.question}: {amount(found.answer)}" in text
        assert found.because in text or found.answers
        assert found.sources, found.question
        assert all(source.text in text for source in found.sources)
    assert as_markdown(first_page(document, explain(document)))
