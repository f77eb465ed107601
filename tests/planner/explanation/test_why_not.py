"""Another answer is told with what forbids it, what failed and by how much, and what came first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from adapt.render.page import as_markdown
from adapt.render.why_not import why_not as page
from planner.documents import InputError
from planner.explanation import why_not
from planner.explanation.why_not import allowed
from planner.planning import plan
from tests.planner.explanation.plans import decision, planned, small_card
from tests.planner.random_specs import specs

RELAXED = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def test_a_forbidden_answer_names_the_veto_and_by_how_much_it_is_missed() -> None:
    found = why_not(planned("small card"), "method", "lora")
    assert not found.is_answer
    assert found.answer == "qlora"
    [veto] = found.vetoes
    number = veto.groups[0][0]
    assert isinstance(number.value, float)
    assert number.verdict == "fails"
    assert number.difference == pytest.approx(number.value - 1)
    assert number.ratio == pytest.approx(number.value)
    assert number.needed == "at most 25.8 GB"
    assert number.short.endswith("GB too much")
    assert veto.rule in found.says
    assert found.pin == f"A pin would be refused while rule {veto.rule} forbids it."


def test_a_veto_on_one_number_tells_it_in_the_first_sentence() -> None:
    found = why_not(planned("small card"), "method", "full")
    [[number]] = found.vetoes[0].groups
    assert number.ratio is not None
    assert number.ratio > 2
    assert found.says.endswith(f": {number.found}, {number.short}.")


def test_a_pin_against_the_veto_is_indeed_refused() -> None:
    found = why_not(planned("small card"), "method", "lora")
    with pytest.raises(InputError, match=found.vetoes[0].rule):
        plan(small_card(overrides={"method": "lora"}))


def test_an_answer_whose_rule_fails_shows_each_condition() -> None:
    found = why_not(planned("small card"), "approach", "rag")
    offer = found.offers[0]
    assert offer.verdict == "fails"
    missed = [number for number in offer.rows[0] if number.verdict == "fails"]
    assert missed
    assert all(number.fact in " ".join(found.needs) for number in missed)
    assert found.offers[0].rule in found.says
    assert found.sources


def test_the_nearest_row_and_rule_come_first() -> None:
    found = why_not(planned("small card"), "approach", "rag")
    for offer in found.offers:
        lacking = [sum(number.verdict != "holds" for number in row) for row in offer.rows]
        assert lacking == sorted(lacking)
    assert found.other_ways == sum(len(offer.rows) for offer in found.offers) - 1


def test_a_way_that_needs_another_kind_of_model_is_not_the_nearest() -> None:
    found = why_not(planned("private facts"), "approach", "finetune")
    nearest = [number.fact for number in found.offers[0].rows[0] if number.verdict != "holds"]
    assert "model_generates" not in nearest
    assert len(found.offers) > 1


def test_what_came_first_is_named_with_what_would_have_to_change() -> None:
    found = why_not(planned("three parts"), "approach", "few-shot")
    behind = [other for offer in found.offers for other in offer.behind]
    assert "merge" in [other.answer for other in behind]
    assert "merge_requested must be no; it is yes" in found.needs


def test_the_answer_itself_is_said_to_be_the_answer() -> None:
    found = why_not(planned("small card"), "method", "qlora")
    assert found.is_answer
    assert found.says.startswith("qlora is the plan's answer to method, because ")
    assert not found.needs
    assert not found.pin


def test_an_answer_that_no_rule_gives_can_be_pinned_as_it_says() -> None:
    document = planned("small card")
    question, answer = next(
        (recorded.question, item.answer)
        for recorded in document.decisions
        for item in recorded.rejected
        if item.because == "no rule answers it" and recorded.takes == "one of"
    )
    found = why_not(document, question, answer)
    assert found.says.startswith(f"No rule answers {question} with {answer}")
    assert f'"overrides": {{"{question}": "{answer}"}}' in found.pin
    assert decision(plan(small_card(overrides={question: answer})), question).answer == answer


def test_an_answer_against_a_pin_says_that_the_pin_stands() -> None:
    found = why_not(plan(small_card(overrides={"rank": 8})), "rank", "16")
    assert found.says == "The spec pins rank to 8, so no rule was asked."
    assert found.needs == ("the pin overrides.rank must be taken out",)


def test_one_of_several_answers_can_be_asked_for() -> None:
    document = planned("private facts")
    assert why_not(document, "rungs", "rag").is_answer
    found = why_not(document, "rungs", "baselines")
    assert not found.is_answer
    assert found.needs
    warning = why_not(document, "warnings", "regression")
    assert warning.offers


@pytest.mark.parametrize(
    ("question", "answer", "hint"),
    [
        ("method", "lorra", "Did you mean `lora`"),
        ("method", "zebra", "Its answers: "),
        ("rank", "many", "It takes a number"),
        ("gradient_checkpointing", "maybe", "It takes true or false"),
        ("metod", "lora", "Did you mean `method`"),
        ("warnings", "zebra", "Its answers: "),
    ],
)
def test_what_is_no_answer_is_refused_with_what_is(question: str, answer: str, hint: str) -> None:
    with pytest.raises(InputError, match=hint):
        why_not(planned("small card"), question, answer)


def test_a_text_is_read_in_the_form_that_the_decision_takes() -> None:
    assert why_not(planned("small card"), "rank", "64").asked == 64
    assert why_not(planned("small card"), "gradient_checkpointing", "no").asked is False


@given(specs())
@RELAXED
def test_every_answer_of_every_plan_is_told_without_fail(spec: dict[str, Any]) -> None:
    document = plan(spec)
    asked = 0
    for recorded in document.decisions:
        for answer in allowed(recorded) or (recorded.answer,):
            if answer is None:
                continue
            found = why_not(document, recorded.question, answer)
            given_ = recorded.answer if isinstance(recorded.answer, list) else [recorded.answer]
            assert found.is_answer == (answer in given_ or answer == recorded.answer)
            assert found.is_answer or found.needs or found.pin
            assert str(found.says) in as_markdown(page(found))
            asked += 1
    assert asked > len(document.decisions)
