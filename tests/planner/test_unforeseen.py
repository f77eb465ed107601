"""What nobody foresaw is listed, refused in a sentence, or planned: no spec and no pin crashes anything."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from planner.documents import InputError
from planner.planning import plan
from tests.planner.random_specs import CHARACTERS, RELAXED, answer, seeded_specs, specs
from tests.planner.specs import EXPLORED
from tests.planner.specs import spec as small_spec

if TYPE_CHECKING:
    from collections.abc import Callable

    Values = dict[str, Any]


@given(specs(), st.text(CHARACTERS, min_size=4, max_size=20).map(lambda word: f"q{word}q"))
@RELAXED
def test_a_word_that_nobody_knows_is_listed_and_crashes_nothing(spec: Values, word: str) -> None:
    spec.setdefault("failures", {})[word] = 7
    evaluation = spec.setdefault("evaluation", {})
    evaluation["metrics"] = [*evaluation.get("metrics", ()), f"m{word}"]
    said = " ".join(finding.message for finding in plan(spec).warnings)
    assert f"`{word}`" in said
    assert f"`m{word}`" in said


@given(specs(), st.data())
@RELAXED
def test_a_pin_is_kept_or_refused_in_a_sentence(spec: Values, data: st.DataObject) -> None:
    decisions = [item for item in plan(spec).decisions if item.question != "warnings"]
    decision = data.draw(st.sampled_from(decisions))
    pinned: Any = data.draw(st.sampled_from([decision.answer, *(item.answer for item in decision.rejected), "no word"]))
    assume(pinned is not None)
    try:
        document = plan(spec | {"overrides": {decision.question: pinned}})
    except InputError as error:
        assert all(item.code.startswith("PIN") and item.message and item.fix for item in error.findings), error
        return
    assert answer(document, decision.question) == pinned


# A pin of the examples, or of how they are chosen, says that nothing is to be searched.
TAKEN_FIXED = frozenset({"warnings", "examples", "example_choice"})


@given(specs(), st.data())
@RELAXED
def test_the_answer_that_a_spec_gets_can_be_pinned_and_changes_nothing_else(spec: Values, data: st.DataObject) -> None:
    free = plan(spec)
    chosen = [item for item in free.decisions if item.answer is not None and item.question not in TAKEN_FIXED]
    decision = data.draw(st.sampled_from(chosen))
    held = plan(spec | {"overrides": {decision.question: decision.answer}})
    assert {item.question: item.answer for item in held.decisions} == {
        item.question: item.answer for item in free.decisions
    }


@pytest.mark.parametrize(
    "change",
    [
        lambda spec: spec.update(models=[{"id": "house/never-heard-of"}]),
        lambda spec: spec.update(hardware="a machine of tomorrow"),
        lambda spec: spec["task"].update(kind="juggling"),
        lambda spec: spec.update(surprise=1),
        lambda spec: spec.update(failures={"malformed": -1}),
        lambda spec: spec.update(overrides={"method": "no-method"}),
    ],
)
def test_what_cannot_be_read_is_one_error_with_a_place_and_a_cure(change: Callable[[Values], None]) -> None:
    for spec in seeded_specs(3, 5):
        change(spec)
        with pytest.raises(InputError) as caught:
            plan(spec)
        for finding in caught.value.findings:
            assert finding.message
            assert finding.fix
            assert finding.where.pointer


def test_the_specs_of_a_seed_reach_every_approach_and_both_ends() -> None:
    # Rare among random attempts: retrieval gained on the very metric of the prompts, and what is left is behaviour.
    helped = {"approach": "rag", "retrieval": "hybrid", "metrics": {"accuracy": 0.8}}
    rare = small_spec(attempts=[*EXPLORED, helped], failures={"behaviour": 30})
    documents = [plan(spec) for spec in [*seeded_specs(7, 500), rare]]
    assert {answer(document, "approach") for document in documents} >= {
        "none",
        "prompt",
        "few-shot",
        "rag",
        "finetune",
        "rag+finetune",
        "merge",
    }
    assert {document.status.applyable for document in documents} == {True, False}
    assert len({answer(document, "method") for document in documents}) >= 4


def test_a_hundred_random_specs_are_planned_in_seconds() -> None:
    """The budget is ten milliseconds a spec (`bench/plan_random.py`); a busy machine may take several times that."""
    first, *others = seeded_specs(11, 101)
    plan(first)
    started = time.process_time()
    for spec in others:
        plan(spec)
    assert time.process_time() - started < 5
