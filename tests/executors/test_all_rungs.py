"""Every rung measured, whatever the gates say, and what the gates would have picked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.runner import run_plan
from planner.documents import Evaluation, Gate, Input, ModelReference, Spec, Step, Task
from tests.executors.fakes import REGISTRY
from tests.executors.plans import fail_step, make_plan, write_step

if TYPE_CHECKING:
    from pathlib import Path

    from executors.report import RunReport
    from planner.documents import Plan

RUNGS = ("zero-shot", "few-shot", "finetune")


def below(address: str, goal: float = 0.8) -> Gate:
    return Gate(
        name=f"target not met by {address}", when="before", metric="score", steps=(address,), test=f"< {goal:g}"
    )


def rung(name: str, score: float, *gates: Gate, **more: Any) -> Step:
    fields = {"params": {"text": name, "metrics": {"score": score}}, "rung": name, "gates": gates}
    return write_step(f"evaluate/{name}", **fields | more)


def ladder(*scores: float, extra: tuple[Step, ...] = (), goal: float = 0.8) -> Plan:
    steps: list[Step] = []
    for name, score in zip(RUNGS, scores, strict=True):
        steps.append(rung(name, score, *(below(step.address, goal) for step in steps)))
    spec = Spec(
        task=Task(description="test"),
        models=(ModelReference(id="none"),),
        evaluation=Evaluation(metrics=("score",), target={"score": goal}),
    )
    return make_plan(*steps, *extra, spec=spec)


def run(plan: Plan, folder: Path, **more: Any) -> RunReport:
    return run_plan(plan, folder, registry=REGISTRY, **more)


def statuses(report: RunReport) -> dict[str, str]:
    return {step.address.partition("/")[2]: step.status for step in report.steps}


def test_every_rung_is_measured_and_the_gates_pick_is_told(tmp_path: Path) -> None:
    report = run(ladder(0.2, 0.85, 0.9), tmp_path, all_rungs=True)
    assert set(statuses(report).values()) == {"done"}
    found = report.regret
    assert found is not None
    assert (found.metric, found.picked, found.best) == ("score", "few-shot", "finetune")
    assert found.measured == ("zero-shot", "few-shot")
    assert found.picked_score is not None
    assert (found.picked_score.value, found.best_score.value) == (0.85, 0.9)
    assert 0 < found.cpu_s < found.all_cpu_s
    assert found.saved == pytest.approx(1 - found.cpu_s / found.all_cpu_s)
    assert found.lost is None, "the fakes leave no answers to compare"


def test_without_a_met_target_the_best_that_the_gates_measure_is_picked(tmp_path: Path) -> None:
    found = run(ladder(0.2, 0.7, 0.5), tmp_path, all_rungs=True).regret
    assert found is not None
    assert (found.picked, found.best, found.lost) == ("few-shot", "few-shot", None)
    assert found.measured == RUNGS
    assert found.saved == 0


def test_a_gate_that_stops_the_run_is_ignored_and_replayed(tmp_path: Path) -> None:
    plan = ladder(0.2, 0.25, 0.6)
    stop = Gate(
        name="something moves this model",
        when="before",
        metric="score",
        steps=("evaluate/few-shot",),
        against="evaluate/zero-shot",
        test=">= 0.1",
        otherwise="stop",
        because="plan with a stronger base, such as big",
    )
    last = plan.steps[2]
    plan = make_plan(*plan.steps[:2], last.model_copy(update={"gates": (*last.gates, stop)}), spec=plan.spec)
    normal = run(plan, tmp_path)
    assert (normal.status, normal.exit_code) == ("stopped", 3)
    assert "evaluate/finetune was not started: something moves this model: no" in normal.because
    assert normal.because.endswith("plan with a stronger base, such as big.")
    found = run(plan, tmp_path, all_rungs=True).regret
    assert found is not None
    assert (found.picked, found.best) == ("few-shot", "finetune")
    assert found.because == normal.because


def test_what_a_normal_run_measured_is_reused_and_the_other_way_round(tmp_path: Path) -> None:
    plan = ladder(0.2, 0.85, 0.9)
    assert statuses(run(plan, tmp_path)) == {"zero-shot": "done", "few-shot": "done", "finetune": "skipped"}
    whole = run(plan, tmp_path, all_rungs=True)
    assert statuses(whole) == {"zero-shot": "cached", "few-shot": "cached", "finetune": "done"}
    again = run(plan, tmp_path)
    assert statuses(again) == {"zero-shot": "cached", "few-shot": "cached", "finetune": "skipped"}
    assert again.regret is None
    assert (again.reached, whole.reached) == ("few-shot", "few-shot")


def test_a_gate_that_guards_a_result_holds_all_the_same(tmp_path: Path) -> None:
    proof = Gate(
        name="answers as before",
        when="after",
        metric="score",
        steps=("evaluate/merged",),
        test=">= 0.98",
        otherwise="stop",
    )
    merged = rung("merged", 0.5, proof)
    report = run(ladder(0.2, 0.7, 0.9, extra=(merged,)), tmp_path, all_rungs=True)
    assert report.status == "stopped"
    assert report.regret is not None
    assert report.regret.best == "finetune", "a rung with a proof of its own repeats another"


def test_the_gate_of_a_step_that_measures_no_rung_holds_all_the_same(tmp_path: Path) -> None:
    missed = Gate(name="target missed", when="before", metric="score", steps=("evaluate/finetune",), test="< 0.8")
    curve = write_step("evaluate/data-need", gates=(missed,))
    assert statuses(run(ladder(0.2, 0.7, 0.9, extra=(curve,)), tmp_path, all_rungs=True))["data-need"] == "skipped"


def test_what_follows_the_choice_is_no_cost_of_choosing(tmp_path: Path) -> None:
    proof = Gate(name="as before", when="after", metric="score", steps=("evaluate/merged",), test=">= 0")
    merge = write_step("merge/sft", needs=("evaluate/finetune",))
    merged = rung("merged", 0.9, proof, needs=("merge/sft",))
    report = run(ladder(0.2, 0.7, 0.9, extra=(merge, merged, write_step("evaluate/probes"))), tmp_path, all_rungs=True)
    costs = {step.address: step.cost.cpu_s for step in report.steps if step.cost is not None}
    assert report.regret is not None
    assert report.regret.all_cpu_s == pytest.approx(sum(costs[f"evaluate/{name}"] for name in RUNGS), abs=0.01)
    assert report.regret.all_cpu_s < sum(costs.values())


def test_a_step_that_fails_does_not_keep_the_others_from_being_measured(tmp_path: Path) -> None:
    broken = fail_step("retrieve/bm25", params={"how": "bug"})
    reads = rung("rag", 0.9, inputs={"index": Input(step="retrieve/bm25", output="text")}, needs=("retrieve/bm25",))
    plan = ladder(0.2, 0.7, 0.6)
    plan = make_plan(broken, reads, *plan.steps, spec=plan.spec)
    report = run(plan, tmp_path, all_rungs=True)
    assert (report.status, report.exit_code) == ("failed", 1)
    assert statuses(report) == {
        "bm25": "failed",
        "rag": "skipped",
        "zero-shot": "done",
        "few-shot": "done",
        "finetune": "done",
    }
    [skipped] = [step.reason for step in report.steps if step.status == "skipped"]
    assert skipped == "its input index comes from retrieve/bm25, which failed"
    assert report.regret is not None
    assert report.regret.best == "few-shot"


def test_the_points_lost_have_an_interval_over_the_cases(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from executors.differences import _Records

    answers = {
        "evaluate/few-shot": [{"id": str(at), "scores": {"score": at % 2 == 0}} for at in range(40)],
        "evaluate/finetune": [{"id": str(at), "scores": {"score": True}} for at in range(40)],
    }
    monkeypatch.setattr(_Records, "of", lambda _, address: answers.get(address, []))
    found = run(ladder(0.2, 0.5, 1.0, goal=0.4), tmp_path, all_rungs=True).regret
    assert found is not None
    assert found.lost is not None
    assert found.lost.value == pytest.approx(0.5)
    assert 0.3 < found.lost.low < 0.5 < found.lost.high < 0.7


def screened(*, few: float, whole: float, goal: float = 0.8, own_prompt: bool = False) -> Plan:
    """Zero-shot on a few rows, on all behind a gate on those, then a finetune."""
    first = rung("zero-shot-screen", few).model_copy(update={"rung": "zero-shot, screened"})
    may = Gate(
        name="evaluate/zero-shot-screen may reach score",
        when="before",
        metric="score",
        steps=(first.address,),
        test=f">= {goal:g}",
        because="it cannot reach the target",
    )
    read = {} if own_prompt else {"screened": Input(step=first.address, output="text")}
    rest = rung("zero-shot", whole, may, inputs=read, needs=(first.address,))
    spec = Spec(
        task=Task(description="test"),
        models=(ModelReference(id="none"),),
        evaluation=Evaluation(metrics=("score",), target={"score": goal}),
    )
    return make_plan(first, rest, rung("finetune", 0.3, below(rest.address, goal)), spec=spec)


def test_a_screen_leaves_a_rung_and_says_why(tmp_path: Path) -> None:
    report = run(screened(few=0.1, whole=0.12), tmp_path)
    assert statuses(report) == {"zero-shot-screen": "done", "zero-shot": "skipped", "finetune": "done"}
    [few, _, _] = report.rungs
    assert (few.met, few.decision) == (None, "left: it cannot reach the target")
    assert report.reached is None


def test_a_screen_that_is_good_enough_goes_on_and_does_not_meet_the_target_itself(tmp_path: Path) -> None:
    report = run(screened(few=0.9, whole=0.85), tmp_path)
    assert statuses(report) == {"zero-shot-screen": "done", "zero-shot": "done", "finetune": "skipped"}
    assert report.rungs[0].decision == "in the running"
    assert report.reached == "zero-shot"


def test_a_rung_that_was_picked_by_its_screen_counts_by_all_rows(tmp_path: Path) -> None:
    found = run(screened(few=0.5, whole=0.2), tmp_path, all_rungs=True).regret
    assert found is not None and found.picked_score is not None
    assert (found.picked, found.picked_score.value) == ("zero-shot", 0.2)
    assert (found.best, found.best_score.value) == ("finetune", 0.3), "a few rows are no rung of their own"
    assert found.measured == ("zero-shot, screened", "finetune")


def test_a_screen_with_another_prompt_counts_by_its_own_rows(tmp_path: Path) -> None:
    found = run(screened(few=0.5, whole=0.2, own_prompt=True), tmp_path, all_rungs=True).regret
    assert found is not None and found.picked_score is not None
    assert (found.picked, found.picked_score.value) == ("zero-shot, screened", 0.5)
