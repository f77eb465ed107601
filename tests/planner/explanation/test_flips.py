"""A flip is the smallest change of one input that changes an answer: true from scratch, and false a step before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st

from adapt.render.flips import flips as page
from adapt.render.page import as_markdown
from planner.documents import InputError, Plan, Spec
from planner.explanation import flips
from planner.explanation.inputs import Inputs, get_hardware, set_hardware
from planner.explanation.levers import Lever, Scale, levers_of
from planner.explanation.search import first_change, grid, value_of
from planner.planning import plan
from planner.survey import survey_of
from tests.planner.explanation.plans import SPECS, again, decision, planned, small_card
from tests.planner.random_specs import specs

if TYPE_CHECKING:
    from planner.explanation.documents import Flip

# Without shrinking: a plan that fails is told as it is, in seconds.
RELAXED = settings(
    max_examples=6,
    deadline=None,
    phases=[Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def inputs_of(document: Plan, folder: Any) -> Inputs:
    return Inputs(document.spec, survey_of(document.surveyed, document.hardware), folder)


def levers(document: Plan, folder: Any) -> dict[str, Lever]:
    return {lever.path: lever for lever in levers_of(inputs_of(document, folder))}


def replanned(document: Plan, lever: Lever, value: Any, folder: Any) -> Plan:
    """The plan of the changed spec, from scratch."""
    changed: Spec = lever.set(inputs_of(document, folder), value).spec
    return plan(changed.model_dump(mode="json", by_alias=True, exclude_none=True), folder=folder)


def confirmed(document: Plan, flip: Flip, folder: Any) -> None:
    """The promised answer stands at the point, and the old one a step before it."""
    lever = levers(document, folder)[flip.lever]
    assert decision(replanned(document, lever, flip.at, folder), flip.question).answer == flip.answer
    if flip.direction == "other" or lever.scale is None or flip.now is None:
        return
    step = -lever.scale.step if flip.direction == "up" else lever.scale.step
    before = round(flip.at + step, 6)  # type: ignore[operator]
    passed = before <= flip.now if flip.direction == "up" else before >= flip.now  # type: ignore[operator]
    value = flip.now if passed else before
    assert decision(replanned(document, lever, value, folder), flip.question).answer == flip.instead_of


@pytest.mark.parametrize("name", SPECS)
def test_every_flip_of_the_worked_plans_holds_when_planned_from_scratch(name: str, tmp_path: Any) -> None:
    found = flips(planned(name)).flips
    assert len(found) > 3
    for flip in found:
        assert flip.answer != flip.instead_of
        confirmed(planned(name), flip, tmp_path)


@given(specs(), st.data())
@RELAXED
def test_flips_of_random_plans_hold_when_planned_from_scratch(
    tmp_path_factory: pytest.TempPathFactory, spec: dict[str, Any], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("spec")
    document = again(plan(spec, folder=folder))
    known = [lever.path for lever in levers_of(inputs_of(document, folder))]
    lever = data.draw(st.sampled_from(known))
    found = flips(document, [lever], [item.question for item in document.decisions])
    assume(found.flips)
    for flip in found.flips[:6]:
        confirmed(document, flip, folder)


def test_more_memory_lets_lora_take_the_place_of_qlora_at_a_round_number() -> None:
    found = flips(planned("small card"), ["hardware.memory_gb"], ["method"])
    up = next(flip for flip in found.flips if flip.direction == "up")
    assert (up.answer, up.instead_of, up.now) == ("lora", "qlora", 24)
    assert isinstance(up.at, int)
    assert 24 < up.at < 48
    assert up.change == f"at {up.at} GB and more (now 24 GB)"
    assert up.to_the_end


def test_words_and_flags_are_tried_one_by_one() -> None:
    found = flips(planned("small card"), ["task.changes", "data.train.quality"], ["approach"])
    changes = {(flip.lever, flip.at): flip.answer for flip in found.flips}
    assert changes["task.changes", "weekly"] == "few-shot"
    assert all(flip.direction == "other" for flip in found.flips)
    assert "weekly (now rarely)" in [flip.change for flip in found.flips]


def test_a_number_that_is_not_given_is_tried_from_its_loose_end() -> None:
    found = flips(planned("small card"), ["constraints.max_serving_memory_gb"], ["quantization"])
    assert found.flips
    assert all(flip.direction == "down" and flip.now is None for flip in found.flips)
    assert all("(now not given)" in flip.change for flip in found.flips)


def test_one_more_attempt_is_an_input_too() -> None:
    found = flips(planned("private facts"), ["attempts"])
    assert "attempts.accuracy" in {flip.lever for flip in found.flips} | set(found.steady)
    met = next(flip for flip in found.flips if flip.lever == "attempts.accuracy")
    assert (met.question, met.answer, met.at) == ("approach", "none", 0.9)


def test_the_beginning_of_a_path_stands_for_all_below_it() -> None:
    found = flips(planned("small card"), ["hardware"])
    assert {flip.lever for flip in found.flips} | set(found.steady) == {"hardware.memory_gb", "hardware.count"}


def test_pins_that_cannot_stand_end_the_range() -> None:
    document = again(plan(small_card(overrides={"method": "qlora"})))
    found = flips(document, ["hardware.memory_gb"])
    assert found.limits
    assert "method" in found.limits[0].because
    assert "less" in found.limits[0].change


def test_a_lever_or_decision_that_is_not_there_is_refused() -> None:
    with pytest.raises(InputError, match=r"Did you mean `hardware\.memory_gb`"):
        flips(planned("small card"), ["hardware.memory_g"])
    with pytest.raises(InputError, match="Did you mean `method`"):
        flips(planned("small card"), None, ["metho"])


def test_a_plan_that_other_rules_made_is_refused() -> None:
    document = planned("small card")
    method = decision(document, "method").model_copy(update={"answer": "dora"})
    decisions = tuple(method if item.question == "method" else item for item in document.decisions)
    with pytest.raises(InputError, match=r"method qlora \(the plan says dora\)") as caught:
        flips(document.model_copy(update={"decisions": decisions}))
    assert caught.value.exit_code == 2
    with pytest.raises(InputError, match="older planner"):
        flips(document.model_copy(update={"surveyed": {}}))


def test_files_that_are_gone_are_not_needed(tmp_path: Any) -> None:
    rows = [f'{{"prompt": "question {row}", "completion": "{"yes" if row % 3 else "no"}"}}' for row in range(120)]
    (tmp_path / "train.jsonl").write_text("\n".join(rows), encoding="utf-8")
    document = again(plan(small_card(data={"train": "train.jsonl"}), folder=tmp_path))
    (tmp_path / "train.jsonl").unlink()
    found = flips(document, ["data.train.examples"], ["approach", "data_need"])
    assert found.flips
    assert all(flip.now == 120 for flip in found.flips)


def test_a_probed_machine_is_varied_as_it_was_found() -> None:
    document = planned("small card")
    probed = document.hardware.model_copy(update={"source": "probed"})
    inputs = Inputs(document.spec.model_copy(update={"hardware": "auto"}), survey_of(document.surveyed, probed), None)  # type: ignore[arg-type]
    assert get_hardware(inputs, "hardware.memory_gb") == 25.8
    changed = set_hardware(inputs, "hardware.memory_gb", 40)
    assert changed.survey.hardware.device.memory_bytes == 40_000_000_000
    assert changed.spec.hardware == "auto"


def test_the_page_groups_by_input_and_leads_with_the_weightiest() -> None:
    text = as_markdown(page(flips(planned("small card"))))
    assert text.index("## hardware.memory_gb") < text.index("## task.tenants")
    assert "method **lora** instead of qlora" in text
    assert len(text.splitlines()) < 120


SCALE = Scale(0, 1000)


@given(st.integers(1, 900), st.integers(0, 1000))
def test_the_search_finds_the_very_step_at_which_an_answer_changes(start: int, edge: int) -> None:
    up = edge > start
    assume(edge != start)
    points = list(grid(start, SCALE, up=up))

    def crossed(value: float) -> bool:
        return value >= edge if up else value <= edge

    found = first_change(points, start, SCALE, crossed, lambda one, two: crossed(one) == crossed(two))
    assert found is not None
    assert (found.at, found.to_the_end) == (edge, True)


@given(st.floats(0.02, 0.99), st.booleans())
def test_the_grid_goes_outward_on_the_steps_and_reaches_the_end(start: float, up: bool) -> None:
    scale = Scale(0.01, 1.0, 0.01)
    points = list(grid(start, scale, up=up))
    assert points == sorted(points, reverse=not up)
    assert points[-1] == (scale.high if up else scale.low)
    assert all(point == value_of(round(point / scale.step), scale) for point in points)
    assert all(point > start if up else point < start for point in points)
