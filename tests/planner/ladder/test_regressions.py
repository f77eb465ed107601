"""The tolerance of another skill is a gate on the difference of two steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.planning import plan
from tests.planner.specs import spec

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Plan


def guarded(folder: Path, *others: dict[str, Any]) -> Plan:
    (folder / "skill.jsonl").write_text('{"prompt": "hi", "completion": "hello"}\n')
    return plan(spec(task__other_tasks=[{"data": "skill.jsonl"} | other for other in others]), folder=folder)


def test_a_skill_may_lose_its_tolerance_beyond_chance(tmp_path: Path) -> None:
    document = guarded(tmp_path, {"name": "Greet people", "tolerance": 0.05})
    [gate] = document.step("evaluate/regression-greet-people").gates
    assert (gate.when, gate.otherwise, gate.bound, gate.test) == ("after", "stop", "high", ">= -0.05")
    assert (gate.steps, gate.against) == (
        ("evaluate/regression-greet-people",),
        "evaluate/regression-greet-people-before",
    )
    assert document.must_understand == ("against",), "who does not know it must not judge the gate"


def test_every_skill_is_measured_before_the_first_loss_stops_the_run(tmp_path: Path) -> None:
    document = guarded(
        tmp_path, {"name": "Greet"}, {"name": "Greet", "tolerance": 0.0}, {"name": "Read", "metric": "perplexity"}
    )
    after = [
        step for step in document.steps if step.address.startswith("evaluate/reg") and "before" not in step.address
    ]
    assert [len([gate for gate in step.gates if gate.when == "after"]) for step in after] == [0, 0, 3]
    gates = after[-1].gates
    assert len({gate.name for gate in gates}) == 3, "gates of one name would be alternatives"
    assert [gate.test for gate in gates] == [">= -0.02", ">= 0", "<= 0.02"]
    assert gates[2].bound == "low", "a perplexity gets worse by growing"


def test_plans_without_such_a_gate_ask_nothing_new_of_their_reader() -> None:
    document = plan(spec(data={}))
    assert not [gate for step in document.steps for gate in step.gates if gate.against]
    assert document.must_understand == ()
