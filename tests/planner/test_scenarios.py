"""The planner's answers on worked cases: those that all planners here must pass, and those of this repository."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import networkx
import pytest

from planner.planning import plan

if TYPE_CHECKING:
    from planner.documents import Plan

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("ADAPT_SHARED", ROOT.parent / "shared")) / "scenarios.jsonl"
OWN = Path(__file__).parent / "scenarios.jsonl"


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def cases() -> list[Any]:
    found = [pytest.param(case, id=case["id"]) for case in read(OWN)]
    if not SHARED.is_file():
        reason = "the shared scenarios are not beside the repository; set ADAPT_SHARED to their folder"
        return [*found, pytest.param({}, id="shared", marks=pytest.mark.skip(reason=reason))]
    return [*found, *(pytest.param(case, id=f"shared-{case['id']}") for case in read(SHARED))]


def allowed(answers: Any) -> list[Any]:
    return answers if isinstance(answers, list) else [answers]


@pytest.mark.parametrize("case", cases())
def test_a_scenario_is_answered_as_the_domain_says(case: dict[str, Any]) -> None:
    document = plan(case["spec"])
    answers = {decision.question: decision.answer for decision in document.decisions}
    expected = {question: allowed(words) for question, words in case.get("expect", {}).items()}
    wrong = {question: answers[question] for question, words in expected.items() if answers[question] not in words}
    assert not wrong, {question: document.decision(question).because for question in wrong}  # type: ignore[union-attr]
    avoided = {question: answers[question] for question, words in case.get("avoid", {}).items()}
    assert not {question: word for question, word in avoided.items() if word in allowed(case["avoid"][question])}
    said = " ".join(f"{finding.code} {finding.message} {finding.fix}" for finding in document.warnings).lower()
    assert all(word in said for word in case.get("warn", ())), said
    for order in case.get("first_steps", ()):
        first, _, second = order.partition(" before ")
        assert comes_first(document, first, second), order
    kinds = [step.executor for step in document.steps]
    assert set(case.get("steps", ())) <= set(kinds), kinds
    assert not set(case.get("no_steps", ())) & set(kinds), kinds
    assert document.status.applyable == case.get("applyable", True), document.status


def comes_first(document: Plan, first: str, second: str) -> bool:
    """Whether every step of one kind stands before, and leads to, a step of the other kind."""
    order = [step.address for step in document.steps]
    early = [address for address in order if address.startswith(f"{first}/")]
    late = [address for address in order if address.startswith(f"{second}/")]
    graph = networkx.DiGraph([(need, step.address) for step in document.steps for need in step.needs])
    return bool(early and late) and all(
        order.index(one) < order.index(two) and networkx.has_path(graph, one, two) for one in early for two in late
    )


def test_every_scenario_of_this_repository_names_its_source() -> None:
    own = read(OWN)
    assert all(case["source"] for case in own)
    assert len({case["id"] for case in own}) == len(own) >= 20
