"""The few-shot prompt is found by measurement where there are rows for it, and fixed where it is pinned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.prompt.template import template_names
from executors.search.halving import schedule
from planner.ladder.searching import UNSUITED, most_answers
from planner.planning import plan
from tests.planner.specs import spec

if TYPE_CHECKING:
    from planner.documents import Plan, Step

TEXT = {"kind": "question-answering", "description": "Answer", "output": {"format": "text"}}


def few_shot(**changes: Any) -> Step:
    return plan(spec(**changes)).step("prompt/few-shot")


def reason(document: Plan) -> str:
    decision = document.decision("prompt_search")
    assert decision is not None
    return decision.because


def test_prompts_are_searched_on_validation_rows() -> None:
    step = few_shot()
    assert step.executor == "prompt-search"
    assert step.inputs["validation"].pin == "data/validation"
    assert "data/test" not in {source.pin for source in step.inputs.values()}
    assert step.outputs == ("prompt", "leaderboard")
    assert step.params["counts"] == [0, 4, 8], "the decision says the most that is tried"
    assert step.params["choices"] == ["balanced", "diverse", "similar"]
    assert {"prompt_search", "examples", "example_choice"} <= {each.decision for each in step.reasons}


def test_without_validation_a_part_of_the_training_rows_chooses() -> None:
    step = few_shot(data__validation=None)
    assert step.executor == "prompt-search"
    assert "validation" not in step.inputs


def test_too_few_rows_leave_the_fixed_choice() -> None:
    changes: dict[str, Any] = {"data__validation": None, "data__train": {"examples": 30}}
    step = few_shot(**changes)
    assert (step.executor, step.params["select"], step.params["examples"]) == ("prompt", "balanced", 8)
    assert "too few rows" in reason(plan(spec(**changes)))


@pytest.mark.parametrize("pins", [{"examples": 5}, {"example_choice": "similar"}])
def test_what_is_pinned_is_shown_as_it_is(pins: dict[str, Any]) -> None:
    step = few_shot(overrides=pins)
    assert step.executor == "prompt"
    assert step.params["examples"] == pins.get("examples", 8)
    assert step.params["select"] == pins.get("example_choice", "balanced")


def test_a_pinned_search_tries_what_is_pinned_against_no_examples() -> None:
    step = few_shot(overrides={"prompt_search": True, "examples": 5, "example_choice": "similar"})
    assert (step.params["counts"], step.params["choices"]) == ([0, 5], ["similar"])


def test_few_rows_have_no_neighbours_to_choose() -> None:
    assert few_shot(data__train={"examples": 80}).params["choices"] == ["balanced", "diverse"]


def test_reasoning_is_tried_for_free_text_alone() -> None:
    assert few_shot().params["templates"] == ["plain", "form-first", "repeated"]
    templates = few_shot(task=TEXT).params["templates"]
    assert templates == ["plain", "form-first", "repeated", "step-by-step"]
    assert set(templates) <= set(template_names())


@pytest.mark.parametrize(
    ("evaluation", "metric"),
    [
        ({"metrics": ["macro_f1", "accuracy"], "target": {"accuracy": 0.9}}, "accuracy"),
        ({"metrics": ["macro_f1", "accuracy"]}, "macro_f1"),
        ({"metrics": ["perplexity"], "target": {"perplexity": 9}}, "accuracy"),
        ({"metrics": ["our_metric"]}, "accuracy"),
    ],
)
def test_prompts_are_chosen_by_the_metric_with_a_target_that_answers_decide(
    evaluation: dict[str, Any], metric: str
) -> None:
    assert few_shot(evaluation=evaluation).params["metric"] == metric
    assert metric not in UNSUITED


def test_the_measured_prompt_is_the_one_that_was_found_behind_the_same_gates() -> None:
    document = plan(spec())
    found, measured = document.step("prompt/few-shot"), document.step("evaluate/few-shot")
    assert measured.inputs["prompt"].step == "prompt/few-shot"
    targets = [gate for gate in measured.gates if gate.name.startswith("target")]
    assert targets
    assert set(targets) <= set(found.gates)
    shared = ("max_new_tokens", "batch_size", "dtype", "quantization", "decoding", "samples", "temperature")
    assert [found.params[name] for name in shared] == [measured.params[name] for name in shared]


def test_several_answers_are_drawn_only_when_they_are_asked_for() -> None:
    assert few_shot().params["samples"] == 1
    document = plan(spec(overrides={"samples": 5}))
    assert document.step("evaluate/few-shot").params["samples"] == 5
    once, five = (plan(spec(overrides=pins)).step("prompt/few-shot").resources.time for pins in ({}, {"samples": 5}))
    assert once is not None
    assert five is not None
    assert five.expected > 2 * once.expected


@pytest.mark.parametrize("rows", [5, 20, 32, 500])
@pytest.mark.parametrize("factor", [2, 3])
def test_the_planned_answers_are_those_that_the_search_would_ask_for(rows: int, factor: int) -> None:
    params = few_shot().params | {"halving": factor}
    number = {name: int(str(params[name])) for name in ("least_rows", "rows")}
    expected = 0
    for candidates in (7, 3):
        before = 0
        for count, asked in schedule(candidates, min(rows, number["rows"]), factor, number["least_rows"]):
            expected, before = expected + count * (asked - before), asked
    assert most_answers(params, rows) == expected
