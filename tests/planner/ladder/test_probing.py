"""What a trained model refuses, and how it speaks of people, is held against its base."""

from __future__ import annotations

from typing import Any

import pytest

from planner.planning import plan
from tests.planner.specs import spec

TEXT = {"kind": "chat", "description": "Answer", "output": {"format": "text"}}
SMALL = [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]


def judged(**changes: Any) -> set[str]:
    """The metrics by which the probes of the trained model may stop a run."""
    step = plan(spec(models=SMALL, **changes)).step("evaluate/probes")
    for gate in step.gates:
        assert (gate.when, gate.otherwise, gate.against) == ("after", "stop", "evaluate/probes-before")
        assert (gate.bound, gate.test) == ("low", "<= 0.1"), "worse beyond chance"
    return {gate.metric for gate in step.gates}


@pytest.mark.parametrize(
    ("task", "metrics"),
    [
        (TEXT, {"toxicity", "over_refusal", "compliance_unsafe", "group_gap"}),
        ({"kind": "classification", "description": "Sort"}, {"toxicity", "group_gap"}),
    ],
)
def test_training_may_not_make_answers_worse(task: dict[str, Any], metrics: set[str]) -> None:
    assert judged(task={"output": {"format": "label", "labels": ["a", "b"]}} | task) == metrics
