from __future__ import annotations

from rich.console import Console

from adapt.render.prompts import leaderboards
from executors.report import StepReport
from executors.search.leaderboard import Entry, Leaderboard, shown
from planner.documents import Measurement

ENTRIES = (
    Entry(
        variant="plain, 8 similar",
        template="plain",
        template_id="sha256:x",
        examples=8,
        rows=32,
        score=Measurement(value=0.5, low=0.4, high=0.6),
        prompt_tokens=612.4,
        answer_s=0.42,
        stage="examples",
        because="chosen",
    ),
    Entry(
        variant="plain, 50 balanced",
        template="plain",
        template_id="sha256:x",
        examples=50,
        stage="examples",
        left_in_round=1,
        because="only 24 different rows have an answer to show",
    ),
)


def test_a_search_is_shown_as_a_table_the_chosen_prompt_first() -> None:
    found = shown(Leaderboard(metric="slot_f1", chosen_on="validation", chosen="sha256:y", entries=ENTRIES))
    notes = {"leaderboard": found, "metric": "slot_f1", "chosen_on": "validation"}
    step = StepReport(address="prompt/few-shot", title="t", executor="prompt-search", notes=notes)  # type: ignore[arg-type]
    console = Console(width=160, record=True, file=None, quiet=False)
    (table,) = leaderboards((step, StepReport(address="a/b", title="t", executor="prompt")))
    with console.capture() as capture:
        console.print(table)
    title, header, first, second = capture.get().rstrip().splitlines()
    assert title.strip() == "Prompts tried on validation rows"
    assert "slot_f1 (95%)" in header
    assert first.split("  ")[0] == "plain, 8 similar"
    assert ".50 (.40 to .60)" in first
    assert "612" in first
    assert first.rstrip().endswith("chosen")
    assert second.rstrip().endswith("only 24 different rows have an answer to show, left in round 1")
