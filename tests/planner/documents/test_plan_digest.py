"""What makes a plan another plan: all of it but prose and estimates."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from planner.documents import Plan, plan_digest, validate
from planner.documents.plan import UNDIGESTED, UNDIGESTED_IN_DECISION, UNDIGESTED_IN_GATE, UNDIGESTED_IN_STEP
from planner.planning import plan
from tests.planner.specs import DECLARED


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    return plan(DECLARED).to_json()


def changed(document: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """The same plan with another value at a place."""
    other: Any = copy.deepcopy(document)
    here = other
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = "something else"
    return dict(other)


def gated(document: dict[str, Any]) -> int:
    return next(number for number, step in enumerate(document["steps"]) if step["gates"])


def test_the_digest_that_a_plan_carries_is_its_own(document: dict[str, Any]) -> None:
    assert document["digest"] == plan_digest(document)


def test_prose_and_estimates_may_be_improved(document: dict[str, Any]) -> None:
    gate = gated(document)
    places: list[tuple[str | int, ...]] = [(name,) for name in UNDIGESTED]
    places += [("decisions", 0, name) for name in UNDIGESTED_IN_DECISION]
    places += [("steps", 0, name) for name in UNDIGESTED_IN_STEP]
    places += [("steps", gate, "gates", 0, name) for name in UNDIGESTED_IN_GATE]
    for place in places:
        assert plan_digest(changed(document, *place)) == document["digest"], place


def test_everything_else_makes_another_plan(document: dict[str, Any]) -> None:
    gate = gated(document)
    places: list[tuple[str | int, ...]] = [(name,) for name in document if name not in UNDIGESTED]
    places = [place for place in places if place not in (("decisions",), ("steps",))]
    parts = {
        ("decisions", 0): (document["decisions"][0], UNDIGESTED_IN_DECISION),
        ("steps", gate): (document["steps"][gate], UNDIGESTED_IN_STEP),
        ("steps", gate, "gates", 0): (document["steps"][gate]["gates"][0], UNDIGESTED_IN_GATE),
    }
    for place, (part, left_out) in parts.items():
        names = [name for name in part if name not in left_out and name != "gates"]
        places += [(*place, name) for name in names]
    assert len(places) > 30
    for place in places:
        assert plan_digest(changed(document, *place)) != document["digest"], place


def test_names_that_a_newer_planner_added_are_covered_and_ignored(document: dict[str, Any]) -> None:
    for place in (("newer",), ("steps", 0, "newer"), ("decisions", 0, "newer"), ("hardware", "devices", 0, "newer")):
        assert plan_digest(changed(document, *place)) != document["digest"]
    assert validate(Plan, document | {"newer": 1}, code="PLAN") == validate(Plan, document, code="PLAN")


def test_a_step_or_decision_more_or_less_makes_another_plan(document: dict[str, Any]) -> None:
    for part in ("steps", "decisions"):
        assert plan_digest(document | {part: document[part][1:]}) != document["digest"]
        assert plan_digest(document | {part: document[part][::-1]}) != document["digest"]


def test_a_plan_reads_back_as_it_was_written(document: dict[str, Any]) -> None:
    assert validate(Plan, document, code="PLAN").to_json() == document
