"""What stands in the way makes a plan that cannot be applied, with what it would need."""

from __future__ import annotations

from planner.planning import plan
from tests.planner.specs import spec
from tests.planner.specs_after_training import SEVEN, finetuning, merging, sources

COMMERCIAL = {"license_use": "commercial"}
CLOSED = {"id": "closed", "params": 7_000_000_000, "license": "cc-by-nc-4.0"}


def test_a_licence_that_forbids_the_use_stops_the_plan_and_says_what_would_do() -> None:
    document = plan(finetuning(models=[CLOSED], constraints=COMMERCIAL))
    assert not document.status.applyable
    assert "licence" in document.status.because
    assert any("licence allows" in need for need in document.status.needs)
    assert document.steps, "the decisions and the steps are shown all the same"


def test_another_candidate_lifts_the_obstacle() -> None:
    document = plan(finetuning(models=[CLOSED, {"id": "Qwen/Qwen2.5-1.5B-Instruct"}], constraints=COMMERCIAL))
    assert document.status.applyable
    assert plan(finetuning(models=[CLOSED], constraints={"license_use": "research"})).status.applyable


def test_a_part_of_a_merge_that_forbids_the_use_stops_the_merge() -> None:
    found = [*sources("a", license="apache-2.0"), *sources("b", license="cc-by-nc-4.0")]
    models = [SEVEN | {"license": "apache-2.0"}]
    document = plan(merging(found, models=models, constraints=COMMERCIAL))
    assert not document.status.applyable
    assert "part of the merge" in document.status.because


def test_several_obstacles_are_told_together() -> None:
    document = plan(finetuning(models=[CLOSED], constraints={**COMMERCIAL, "max_serving_memory_gb": 1}))
    assert len(document.status.needs) == 2


def test_nothing_stands_in_the_way_of_a_plain_plan() -> None:
    document = plan(spec())
    assert document.status.applyable
    decision = document.decision("obstacles")
    assert decision is not None
    assert decision.answer == []
