"""The step that finds a prompt by measurement: its passages, its examples, its frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from planner.documents import Input, Step
from planner.ladder.prompting import SEED, how_answered
from planner.ladder.tables import characters, database
from planner.survey.metrics import MEASURED_METRICS, lower_is_better

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from planner.documents import Gate, JsonValue
    from planner.ladder.draft import Draft

# Metrics that need more than an answer and what was expected; the last resort is right or wrong by the task's form.
UNSUITED = frozenset({"agreement", "execution_accuracy", "judge", "perplexity", "preference_accuracy"})
ANY_FORM = "accuracy"
CHOICES = ("balanced", "diverse", "similar")
TEMPLATES = ("plain", "form-first", "repeated")
REASONED = "step-by-step"
# What is varied beside the examples.
VARIED = ("templates", "passages")


def search(
    draft: Draft, name: str, inputs: Mapping[str, Input], passages: Sequence[JsonValue], gates: tuple[Gate, ...]
) -> None:
    """Draw the search for a rung's prompt.

    Args:
        draft: the plan so far.
        name: of the rung.
        inputs: the model that answers, and the index where there are passages.
        passages: counts of passages in the request; none without an index.
        gates: of the rung.
    """
    sources = {**inputs, "train": Input(pin="data/train"), **database(draft)}
    examples = shown_examples(draft)
    if draft.fact("validation_rows"):
        sources["validation"] = Input(pin="data/validation")
    thresholds = draft.thresholds
    draft.add(
        Step(
            address=f"prompt/{name}",
            title="Find the prompt by measurement on rows that are not the test's",
            executor="prompt-search",
            version="1",
            inputs=sources,
            params={
                "instruction": draft.spec.task.description,
                **draft.output_params(),
                "templates": _templates(draft),
                "counts": _counts(draft, examples),
                "choices": _choices(draft),
                "tables": characters(draft),
                "passages": [*passages],
                "fit": False,
                "metric": metric(draft),
                "rows": int(thresholds["search_rows"]),
                "least_rows": int(thresholds["search_least_rows"]),
                "halving": int(thresholds["search_halving"]),
                **how_answered(draft, dict(inputs)),
                "seed": SEED,
            },
            outputs=("prompt", "leaderboard"),
            gates=gates,
            known_after=("examples", "example_choice", "template"),
        ),
        because=("rungs", "prompt_search", "examples", "example_choice"),
    )


def shown_examples(draft: Draft) -> int:
    """The most examples that a prompt shows: what was decided, as far as there are rows."""
    return min(int(draft.answer("examples")), draft.fact("train_rows") or 0, int(draft.thresholds["most_examples"]))


def near_examples(draft: Draft) -> bool:
    """Whether there are rows enough for some of them to be like a request."""
    return bool((draft.fact("train_rows") or 0) >= draft.thresholds["similar_choice_rows"])


def metric(draft: Draft) -> str:
    """What prompts are chosen by: the first metric with a target, else the first of all, that an answer decides."""
    wanted = draft.spec.evaluation
    asked = [*(name for name in wanted.metrics if name in wanted.target), *sorted(wanted.target), *wanted.metrics]
    suited = (name for name in asked if name in MEASURED_METRICS - UNSUITED and not lower_is_better(name))
    return next(suited, ANY_FORM)


def _counts(draft: Draft, examples: int) -> list[JsonValue]:
    """None, half of the most, and the most; what is pinned is tried alone against none."""
    pinned = "examples" in draft.spec.overrides
    return [*dict.fromkeys([0, *([] if pinned or examples < 2 else [examples // 2]), examples])]  # noqa: PLR2004 - half


def _choices(draft: Draft) -> list[JsonValue]:
    if "example_choice" in draft.spec.overrides:
        return [draft.answer("example_choice")]
    return [choice for choice in CHOICES if near_examples(draft) or choice != "similar"]


def _templates(draft: Draft) -> list[JsonValue]:
    output = draft.spec.task.output
    free = output.format == "text" and not output.labels and draft.answer("decoding") == "free"
    return [*TEMPLATES, *([REASONED] if free else [])]


def most_answers(params: Mapping[str, JsonValue], rows: int) -> int:
    """Answers that a search generates at most, when no prompt is clearly better before the last round.

    Args:
        params: of the step.
        rows: that there are to choose on.
    """
    shown = sum(bool(count) for count in _list(params, "counts"))
    stages = [len(_list(params, "choices")) * shown + 1, *(len(_list(params, name)) for name in VARIED)]
    return sum(_halved(count, params, rows) for count in stages if count) * int(str(params["samples"]))


def search_tokens(draft: Draft, params: Mapping[str, JsonValue], asked: float, row: float) -> float:
    """Tokens that a search computes at most, those of answers counted as `asked` counts them.

    Args:
        draft: the plan so far.
        params: of the step.
        asked: tokens of a request with its instruction and its answer.
        row: tokens of an example.
    """
    rows = draft.fact("validation_rows") or (draft.fact("train_rows") or 0) // 2
    shown = [int(str(count)) for count in _list(params, "counts") if count]
    examples = sum(shown) / len(shown) if shown else 0.0
    return most_answers(params, rows) * (asked + examples * row)


def _halved(count: int, params: Mapping[str, JsonValue], rows: int) -> int:
    last, least, factor = (int(str(params[name])) for name in ("rows", "least_rows", "halving"))
    rounds = [count]
    while rounds[-1] > factor:
        rounds.append(math.ceil(rounds[-1] / factor))
    total = before = 0
    for at, left in enumerate(rounds):
        now = min(rows, last, max(least, min(rows, last) // factor ** (len(rounds) - 1 - at)))
        total, before = total + left * (now - before), now
    return total


def _list(params: Mapping[str, JsonValue], name: str) -> list[JsonValue]:
    value = params[name]
    return value if isinstance(value, list) else []
