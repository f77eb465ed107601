"""The rungs that ask the base: without examples, with examples, with passages; screened, searched for, measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import SCREEN, Gate, Input
from planner.ladder.prompting import add_prompt, answering, evaluate
from planner.ladder.screening import follow, in_the_running, measure, screen
from planner.ladder.searching import metric, near_examples, search, shown_examples

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.documents import JsonValue
    from planner.ladder.draft import Draft

BECAUSE = ("approach", "rungs")


def prompting(draft: Draft, name: str) -> None:
    """A rung without passages; `name` is `zero-shot` or `few-shot`."""
    examples = shown_examples(draft) if name == "few-shot" else 0
    title = f"Measure the prompt {'with examples' if examples else 'without examples'}"
    # With documents at hand, the prompt is searched for with passages in it, which is the one that will be used.
    if not examples or not draft.answer("prompt_search") or "rag" in draft.answer("rungs"):
        add_prompt(draft, name, examples=examples, show_form=True, gates=draft.gates())
        inputs = {**answering(draft), "prompt": Input(step=f"prompt/{name}", output="prompt")}
        measure(draft, name, title, rung=name, inputs=inputs, because=BECAUSE)
        return
    if not draft.answer("screening"):
        searched(draft, name, title, {}, ())
        return
    plain = name + SCREEN
    select = (
        None if {"examples", "example_choice"} & draft.spec.overrides.keys() or not near_examples(draft) else "similar"
    )
    # The nearest few bring their labels with them: showing each label once is for examples that know no request.
    shown = examples if select is None else min(examples, int(draft.thresholds["examples_in_prompt"]))
    add_prompt(draft, plain, examples=shown, show_form=True, gates=draft.gates(), select=select)
    inputs = {**answering(draft), "prompt": Input(step=f"prompt/{plain}", output="prompt")}
    first = screen(draft, name, title, rung=name, inputs=inputs, because=BECAUSE)
    follow(draft, lambda: searched(draft, name, title, {}, (), first))


def searched(
    draft: Draft,
    name: str,
    title: str,
    index: dict[str, Input],
    passages: Sequence[JsonValue],
    first: str | None = None,
) -> None:
    """A rung whose prompt is found by measurement.

    Args:
        draft: the plan so far.
        name: of the rung.
        title: of its measurement.
        index: the inputs of a search for passages; none without.
        passages: counts of passages that are tried.
        first: the screen of the rung with a plain prompt; None where it has none.
    """
    gates = draft.gates()
    if first is not None:
        gates += in_the_running(draft, first, float(draft.answer("search_headroom")))
    inputs = {**answering(draft), **index}
    search(draft, name, inputs, passages, gates)
    evaluate(
        draft,
        name,
        title,
        rung=f"rag ({name})" if index else name,
        inputs={**inputs, "prompt": Input(step=f"prompt/{name}", output="prompt")},
        because=BECAUSE if not index else ("approach", "retrieval"),
        gates=(*draft.gates(), *(_found_enough(draft, name) if first is not None else ())),
    )


def _found_enough(draft: Draft, name: str) -> tuple[Gate, ...]:
    """Whether the score on the rows that the prompt was chosen on leaves open that it meets the target."""
    by = metric(draft)
    goal = draft.spec.evaluation.target.get(by)
    if goal is None:
        return ()
    gate = Gate(
        name=f"prompt/{name} may reach {by}",
        when="before",
        metric=f"chosen_{by}",
        steps=(f"prompt/{name}",),
        bound="high",
        test=f">= {goal:g}",
        because="on the rows that it was chosen on, even the upper end of its interval is below the target",
    )
    return (gate,)
