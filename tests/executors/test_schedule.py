from __future__ import annotations

import random
import time

import pytest

from executors.schedule import schedule, skipped_input
from planner.documents import Gate, Input, InputError, Plan, Step, plan_digest
from tests.executors.plans import make_plan, write_step


def order(*steps: Step) -> list[str]:
    return [step.address for step in schedule(steps)]


def test_plan_order_holds_where_nothing_forces_another() -> None:
    assert order(write_step("c/1"), write_step("a/1"), write_step("b/1")) == ["c/1", "a/1", "b/1"]


def test_a_step_comes_after_what_it_needs_reads_and_is_gated_by() -> None:
    gate = Gate(name="g", when="before", metric="m", steps=("d/1",), test="< 1")
    steps = (
        write_step("a/1", needs=("b/1",)),
        write_step("b/1", inputs={"x": Input(step="c/1", output="text")}),
        write_step("c/1", gates=(gate,)),
        write_step("d/1"),
    )
    assert order(*steps) == ["d/1", "c/1", "b/1", "a/1"]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ((write_step("a/1"), write_step("a/1")), "Two steps have the address a/1"),
        ((write_step("a/1", needs=("a/2",)), write_step("b/2")), "a/1 needs a/2, which is not in the plan"),
        ((write_step("a/1"), write_step("b/1", inputs={"x": Input(step="a/1", output="model")})), "It leaves: text"),
        ((write_step("a/1", inputs={"x": Input()}),), "must name either a step or a pin"),
        ((write_step("a/1", needs=("b/1",)), write_step("b/1", needs=("a/1",))), "wait for each other: "),
        ((write_step("a/1", needs=("a/1",)),), "wait for each other: a/1 -> a/1"),
        (
            (write_step("a/1", gates=(Gate(name="g", when="after", metric="m", steps=("a/1",), test="good"),)),),
            "'good' is not a comparison",
        ),
    ],
)
def test_what_cannot_be_ordered_is_refused(steps: tuple[Step, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        schedule(steps)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        schedule((write_step("a/1", needs=("x/1", "y/1")), write_step("b/1", inputs={"x": Input()})))
    assert len(caught.value.findings) == 3


def test_only_reading_from_a_skipped_step_skips() -> None:
    skipped = {"a/1": "why"}
    assert skipped_input(write_step("b/1", ("a/1",)), skipped) == "its input i0 comes from a/1, which was skipped"
    assert skipped_input(write_step("b/1", needs=("a/1",)), skipped) is None


def test_ten_thousand_steps_validate_and_schedule_in_two_seconds() -> None:
    choose = random.Random(0)  # noqa: S311 - a shape, not a secret
    steps = [write_step(f"s/{n}", tuple({f"s/{choose.randrange(n)}" for _ in range(min(n, 2))})) for n in range(10_000)]
    choose.shuffle(steps)
    text = make_plan(*steps).model_dump_json(by_alias=True)
    started = time.process_time()
    plan = Plan.model_validate_json(text)
    assert plan_digest(plan.to_json()) == plan.digest
    place = {step.address: index for index, step in enumerate(schedule(plan.steps))}
    assert time.process_time() - started < 2
    assert all(place[need] < place[step.address] for step in steps for need in step.needs)
