"""The table of a run that measured every rung."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from adapt.render.report import report
from executors.comparison import Comparison
from executors.regret import Regret
from executors.report import RunReport, StepReport
from planner.documents import Cost, Measurement

LOST = Comparison(
    step="evaluate/sft",
    against="evaluate/bm25",
    metric="token_f1",
    value=0.12,
    low=0.05,
    high=0.19,
    n=60,
)
REGRET: dict[str, Any] = {
    "metric": "token_f1",
    "picked": "rag (bm25)",
    "picked_score": Measurement(value=0.3, low=0.2, high=0.4),
    "best": "finetune (lora)",
    "best_score": Measurement(value=0.42, low=0.32, high=0.52),
    "lost": LOST,
    "measured": ("zero-shot", "rag (bm25)"),
    "because": "every step is done or not needed",
    "wall_s": 60.0,
    "cpu_s": 100.0,
    "all_wall_s": 240.0,
    "all_cpu_s": 500.0,
}


def told(steps: tuple[StepReport, ...] = (), **changes: Any) -> str:
    document = RunReport(
        run="abc",
        plan="sha256:0",
        name="squad",
        status="done",
        because="All steps of squad are measured.",
        steps=steps,
        regret=Regret(**REGRET | changes),
        cost=Cost(wall_s=240, cpu_s=500, peak_memory_bytes=10**9),
        wall_s=240,
    )
    console = Console(width=140)
    with console.capture() as captured:
        console.print(report(document, Path(".adapt")))
    return captured.get()


def test_points_lost_and_cost_saved_stand_side_by_side() -> None:
    text = told()
    assert "Picked by the gates" in text
    line = next(line for line in text.splitlines() if line.startswith("Regret"))
    assert "+12 points (+5 to +19)" in line
    assert "80% saved" in line
    assert "75% saved" in line


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"picked": "finetune (lora)", "lost": None}, "none, it is the best"),
        ({"picked": None, "picked_score": None, "lost": None}, "no rung would be measured"),
        ({"lost": None}, "the answers cannot be compared"),
        ({"lost": LOST.model_copy(update={"low": -0.02})}, "no real difference (-2 to +19 points)"),
        ({"all_cpu_s": 0.0, "all_wall_s": 0.0}, "0% saved"),
    ],
)
def test_what_there_is_to_say_is_said(changes: dict[str, Any], said: str) -> None:
    assert said in told(**changes)


def test_a_search_says_how_well_it_finds() -> None:
    found = {"recall_at_1": Measurement(value=0.94, low=0.9, high=0.96), "mrr": Measurement(value=0.966)}
    index = StepReport(
        address="retrieve/bm25",
        title="",
        executor="retrieve",
        status="done",
        metrics=found,
        notes={"passages_shown": 1},
    )
    said = told(steps=(index,))
    assert "Search bm25: recall_at_1 .94 (.90 to .96), mrr .97" in said
    assert "passages in a prompt: 1" in said
