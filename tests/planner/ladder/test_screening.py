"""A rung is measured on a few rows first; all rows, a search and training are for what those leave open."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from planner.planning import plan
from tests.planner.specs import spec

if TYPE_CHECKING:
    from planner.documents import Gate, Plan

NO_TARGET = {"evaluation": {"metrics": ["label_accuracy"]}}


def gates_of(document: Plan, address: str, start: str) -> list[Gate]:
    return [gate for gate in document.step(address).gates if gate.name.startswith(start)]


def addresses(**changes: Any) -> list[str]:
    return [step.address for step in plan(spec(**changes)).steps]


def test_a_screen_is_a_part_of_the_same_measurement() -> None:
    document = plan(spec())
    few, whole = document.step("evaluate/zero-shot-screen"), document.step("evaluate/zero-shot")
    assert few.params["limit"] == 24
    assert few.params | {"limit": None} == whole.params | {"limit": None}
    assert whole.inputs["screened"].step == few.address, "what was answered is not asked again"
    assert {name: source for name, source in whole.inputs.items() if name != "screened"} == few.inputs


@pytest.mark.parametrize(("rows", "screened"), [(47, False), (48, True)])
def test_few_rows_are_measured_at_once(rows: int, screened: bool) -> None:
    found = addresses(data__test={"examples": rows})
    assert ("evaluate/zero-shot-screen" in found) == screened
    assert "evaluate/zero-shot" in found


def test_a_rung_that_cannot_reach_the_target_is_left_at_its_screen() -> None:
    document = plan(spec(evaluation={"metrics": ["label_accuracy"], "target": {"label_accuracy": 0.9}}))
    [gate] = gates_of(document, "evaluate/zero-shot", "evaluate/zero-shot-screen may reach")
    assert (gate.steps, gate.bound) == (("evaluate/zero-shot-screen",), "high")
    assert 0.9 < float(gate.test.removeprefix(">= ")) < 0.96, "what meets the target beyond chance"


def test_a_search_is_left_out_where_it_would_have_to_gain_too_much() -> None:
    document = plan(spec(evaluation={"metrics": ["label_accuracy"], "target": {"label_accuracy": 0.9}}))
    [gate] = gates_of(document, "prompt/few-shot", "evaluate/few-shot-screen may reach")
    [rest] = gates_of(document, "evaluate/zero-shot", "evaluate/zero-shot-screen may reach")
    wanted, gained = (float(each.test.removeprefix(">= ")) for each in (rest, gate))
    assert wanted - gained == pytest.approx(0.05)
    [found] = gates_of(document, "evaluate/few-shot", "prompt/few-shot may reach")
    assert (found.metric, found.bound, found.test) == ("chosen_label_accuracy", "high", ">= 0.9")


@pytest.mark.parametrize(("model", "gain"), [("HuggingFaceTB/SmolLM2-135M-Instruct", 0.05), ("Qwen/Qwen2.5-7B", 0.4)])
def test_a_large_model_may_gain_much_by_reasoning_first(model: str, gain: float) -> None:
    task = {"kind": "question-answering", "description": "Solve it", "output": {"format": "text"}}
    measured = {"metrics": ["exact_match"], "target": {"exact_match": 0.5}}
    document = plan(spec(task=task, models=[{"id": model}], evaluation=measured))
    [rest] = gates_of(document, "evaluate/zero-shot", "evaluate/zero-shot-screen may reach")
    [gate] = gates_of(document, "prompt/few-shot", "evaluate/few-shot-screen may reach")
    wanted, gained = (float(each.test.removeprefix(">= ")) for each in (rest, gate))
    assert wanted - gained == pytest.approx(gain, abs=0.001)


def test_the_screen_of_a_searched_prompt_shows_the_nearest_examples() -> None:
    shown = plan(spec()).step("prompt/few-shot-screen").params
    assert (shown["select"], shown["examples"]) == ("similar", 8)
    labels = {"format": "label", "labels": [f"label {at}" for at in range(20)]}
    many = plan(spec(task__output=labels, task__kind="classification"))
    assert many.step("prompt/few-shot-screen").params["examples"] == 8, "the nearest bring their labels with them"
    assert many.step("prompt/few-shot").params["counts"] == [0, 10, 20]
    few = plan(spec(data__train={"examples": 80})).step("prompt/few-shot-screen").params
    assert few["select"] == "balanced"


def test_a_falling_target_is_compared_at_the_other_end() -> None:
    document = plan(spec(evaluation={"metrics": ["wer"], "target": {"wer": 0.1}}))
    [gate] = gates_of(document, "evaluate/zero-shot", "evaluate/zero-shot-screen may reach")
    assert (gate.bound, gate.test) == ("low", "<= 0.1")
    assert not gates_of(document, "prompt/few-shot", "evaluate/few-shot-screen may reach")


def test_without_a_target_all_rungs_are_screened_before_the_best_are_measured() -> None:
    found = addresses(**NO_TARGET)
    order = ["evaluate/baselines", "evaluate/zero-shot-screen", "evaluate/few-shot-screen", "evaluate/zero-shot"]
    assert [found.index(address) for address in order] == sorted(found.index(address) for address in order)
    document = plan(spec(**NO_TARGET))
    [gate] = gates_of(document, "evaluate/zero-shot", "evaluate/zero-shot-screen may be the best")
    assert set(gate.steps) == {"evaluate/baselines", "evaluate/few-shot-screen"}
    assert (gate.against, gate.bound, gate.test) == ("evaluate/zero-shot-screen", "low", "<= 0")
    [gate] = gates_of(document, "prompt/few-shot", "evaluate/few-shot-screen may be the best")
    assert gate.test == "<= 0.05"


def test_without_a_target_the_prompts_of_a_small_model_wait_for_the_trained_one() -> None:
    small = {"models": [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]}
    document = plan(spec(**NO_TARGET, **small))
    found = [step.address for step in document.steps]
    order = ["evaluate/few-shot-screen", "diagnose/prompting", "train/sft", "evaluate/sft", "prompt/few-shot"]
    assert [found.index(address) for address in order] == sorted(found.index(address) for address in order)
    [gate] = gates_of(document, "prompt/few-shot", "evaluate/few-shot-screen may be the best")
    assert "evaluate/sft" in gate.steps
    found = addresses(**small)
    assert found.index("prompt/few-shot") < found.index("train/sft"), "with a target, training is the last rung"


def test_without_a_target_nothing_follows_a_score_that_leaves_nothing_to_gain() -> None:
    document = plan(spec(**NO_TARGET))
    for address in ("evaluate/zero-shot-screen", "prompt/few-shot", "train/sft"):
        [gate, *_] = gates_of(document, address, "evaluate/baselines leaves something to gain")
        assert (gate.bound, gate.test) == ("high", "< 0.98")


def test_a_metric_without_an_end_has_no_such_gates() -> None:
    document = plan(spec(evaluation={"metrics": ["our_points"]}))
    names = {gate.name for step in document.steps for gate in step.gates}
    assert not [name for name in names if "something to gain" in name or "may be" in name]


def test_a_strong_probe_is_not_trained_against_unless_a_target_asks_for_more() -> None:
    document = plan(spec(models=[{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}], **NO_TARGET))
    kinds = document.step("evaluate/baselines").params["kinds"]
    gates = gates_of(document, "train/sft", "the baselines leave room")
    assert bool(gates) == (isinstance(kinds, list) and "linear-probe" in kinds), "only a probe says it of this base"
    assert not gates_of(plan(spec()), "train/sft", "the baselines leave room")
