"""A step's recipe key changes when, and only when, its parameters or what it builds on change."""

from __future__ import annotations

from typing import Any

from planner.planning import plan
from tests.planner.specs import DECLARED, EXPLORED, spec


def keys(**changes: Any) -> dict[str, str]:
    return {step.address: step.recipe_key for step in plan(spec(**changes)).steps}


def changed(**changes: Any) -> set[str]:
    before, after = keys(), keys(**changes)
    assert before.keys() == after.keys()
    return {address for address in before if before[address] != after[address]}


AFTER_TRAINING = {"train/sft", "evaluate/sft", "merge/sft", "evaluate/merged", "equivalence/merged"}
AFTER_TRAINING |= {"evaluate/data-need", "evaluate/probes"}


def test_a_parameter_of_training_changes_training_and_what_follows() -> None:
    for name, value in (("rank", 64), ("learning_rate", 1e-4), ("epochs", 7), ("schedule", "cosine")):
        assert changed(overrides={name: value}) == AFTER_TRAINING, name


def test_the_instruction_changes_everything_that_reads_it() -> None:
    assert changed(task__description="Sort these tickets") == set(keys()) - {"prepare/base", "evaluate/baselines"}


def test_what_only_explains_changes_no_recipe() -> None:
    assert not changed(name="other")
    assert not changed(constraints={"max_hours": 2})
    assert not changed(evaluation={"metrics": ["accuracy"], "target": {"accuracy": 0.8}})
    assert not changed(task__other_tasks=[{"name": "greeting"}])


def test_the_same_step_has_the_same_recipe_whatever_comes_before_it() -> None:
    before = keys()
    after = keys(attempts=EXPLORED, failures={"behaviour": 30})
    shared = before.keys() & after.keys()
    assert "train/sft" in shared
    assert {address for address in shared if before[address] != after[address]} == set()


def test_every_recipe_of_a_plan_is_another() -> None:
    found = [step.recipe_key for step in plan(DECLARED).steps]
    assert len(set(found)) == len(found)
