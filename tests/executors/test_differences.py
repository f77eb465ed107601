"""What a run says of differences between rungs, and of skills before and after training."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from rich.console import Console

from adapt.render.report import report as rendered
from executors.contract import Job, Outcome, Params
from executors.intervals import proportion
from executors.registry import Registry
from executors.runner import run_plan
from planner.documents import Evaluation, Gate, ModelReference, Spec, Step, Task
from tests.executors.fakes import Fake
from tests.executors.plans import make_plan

if TYPE_CHECKING:
    from pathlib import Path

    from executors.report import RunReport

CASES = 80


class ScoredParams(Params):
    right: int
    slices: bool = False


class Scored(Fake):
    """Answers so many of 80 cases rightly, from the first one on."""

    name: ClassVar[str] = "scored"
    params: ClassVar[type[Params]] = ScoredParams
    libraries: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[dict[str, str]] = {"predictions": "predictions"}

    def perform(self, job: Job) -> Outcome:
        right = job.params.right
        lines = [json.dumps({"id": str(at), "scores": {"exact_match": at < right}}) for at in range(CASES)]
        (job.out / "predictions").write_text("\n".join(lines))
        bad = {"value": 0.0, "low": 0.0, "high": 0.1}
        usual = {"value": 0.5, "low": 0.2, "high": 0.8}
        table: list[Any] = [
            {"name": "place", "value": "cellar", "n": 9, "metrics": {"exact_match": bad}},
            {"name": "place", "value": "hall", "n": 9, "metrics": {"exact_match": usual}},
        ]
        notes: dict[str, Any] = {"slices": table} if job.params.slices else {}
        return Outcome(metrics={"exact_match": proportion(right, CASES)}, notes=notes)


REGISTRY = Registry(targets={"scored": f"{__name__}:Scored"})


def rung(name: str, right: int, **more: Any) -> Step:
    fields: dict[str, Any] = {"params": {"right": right}, "outputs": ("predictions",), "rung": name}
    return Step(address=f"evaluate/{name}", title=name, executor="scored", version="1", **fields | more)


def run(folder: Path, *steps: Step) -> RunReport:
    evaluation = Evaluation(metrics=("exact_match",), target={"exact_match": 0.9})
    spec = Spec(task=Task(description="test"), models=(ModelReference(id="none"),), evaluation=evaluation)
    return run_plan(make_plan(*steps, spec=spec), folder, registry=REGISTRY)


def page(report: RunReport, folder: Path) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(rendered(report, folder))
    return console.export_text()


def test_each_rung_is_held_against_the_best_before_it(tmp_path: Path) -> None:
    found = run(tmp_path, rung("zero-shot", 40), rung("few-shot", 30), rung("sft", 60), rung("merged", 61))
    gains = {each.rung: each.gain for each in found.rungs}
    assert gains["zero-shot"] is None
    assert gains["few-shot"] is not None and gains["few-shot"].value == pytest.approx(-0.125)
    assert gains["sft"] is not None
    assert (gains["sft"].rung, gains["sft"].value, gains["sft"].n) == ("zero-shot", 0.25, CASES)
    assert gains["sft"].low > 0.15 and gains["sft"].is_real
    assert gains["merged"] is not None and gains["merged"].rung == "sft" and not gains["merged"].is_real
    text = page(found, tmp_path)
    assert "sft over zero-shot, exact_match: +25 points (+1" in text
    assert "few-shot over zero-shot, exact_match: -12 points (-" in text
    assert "merged over sft, exact_match: no real difference (" in text


def test_a_skipped_rung_is_not_compared(tmp_path: Path) -> None:
    gate = Gate(name="target not met by x", when="before", metric="exact_match", steps=("evaluate/one",), test="< 0.1")
    found = run(tmp_path, rung("one", 40), rung("two", 60, gates=(gate,)), rung("three", 60))
    gains = {each.rung: each.gain for each in found.rungs}
    assert gains["two"] is None
    assert gains["three"] is not None and gains["three"].rung == "one"


@pytest.mark.parametrize(
    ("after", "status", "said"), [(30, "stopped", "-25 points (-1"), (49, "done", "no real differ")]
)
def test_a_lost_skill_stops_the_run_and_the_report_says_how_much(
    tmp_path: Path, after: int, status: str, said: str
) -> None:
    kept = Gate(
        name="regression-greet loses 2% at most",
        when="after",
        metric="exact_match",
        steps=("evaluate/regression-greet",),
        against="evaluate/regression-greet-before",
        bound="high",
        test=">= -0.02",
        otherwise="stop",
    )
    steps = [rung("regression-greet-before", 50, rung=None), rung("regression-greet", after, rung=None, gates=(kept,))]
    found = run(tmp_path, *steps)
    assert found.status == status
    [loss] = found.regressions
    assert loss.value == pytest.approx((after - 50) / CASES)
    assert f"Other skill regression-greet, exact_match after training: {said}" in page(found, tmp_path)


def test_only_slices_that_differ_clearly_are_shown(tmp_path: Path) -> None:
    found = run(tmp_path, rung("sft", 40, params={"right": 40, "slices": True}))
    text = page(found, tmp_path)
    assert "sft, place cellar (9 cases): exact_match .00 (.00 to .10), on all .50" in text
    assert "hall" not in text


def test_a_report_survives_predictions_that_are_gone(tmp_path: Path) -> None:
    steps = rung("zero-shot", 40), rung("sft", 60)
    run(tmp_path, *steps)
    from executors.differences import with_comparisons
    from executors.state import State

    first = run(tmp_path, *steps)
    spec = Spec(task=Task(description="test"), models=(ModelReference(id="none"),))
    elsewhere = State(tmp_path / "elsewhere")
    assert with_comparisons(first, make_plan(*steps, spec=spec), elsewhere).rungs[1].gain is None
