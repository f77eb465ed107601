"""Steps that guard the model's other skills: each is measured before training and again after it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.documents import Gate, Input, JsonValue, Step
from planner.ladder.prompting import ANSWER_TOKENS_BY_FORMAT, PLAIN, SEED, base_model
from planner.survey.metrics import lower_is_better

if TYPE_CHECKING:
    from planner.documents import OtherTask
    from planner.ladder.draft import Draft

WITHOUT_METRIC = "exact_match"


def regressions(draft: Draft) -> None:
    """Measure every other skill that has data with the base and with what training made of it.

    A skill without data is left to the warning that asks for it: there is nothing to measure.
    """
    trained = next((address for address in reversed(draft.steps) if address.startswith("train/")), None)
    if trained is None or draft.answer("regression_guard") == "none":
        return
    [output, *_] = draft.steps[trained].outputs
    after = {"model": draft.steps[trained].inputs["model"], output: Input(step=trained, output=output)}
    held_back = draft.steps[trained].gates
    others = [(number, other) for number, other in enumerate(draft.spec.task.other_tasks) if other.data is not None]
    kept: list[Gate] = []
    for at, (number, other) in enumerate(others):
        name = _name(draft, number, other)
        kept.append(_tolerance(name, other))
        # All skills are measured before the first loss stops the run.
        _guard(draft, (name, number, other), after, held_back, tuple(kept) if at + 1 == len(others) else ())


def _name(draft: Draft, number: int, other: OtherTask) -> str:
    name = f"regression-{_slug(other.name) or number}"
    return f"{name}-{number}" if f"prompt/{name}" in draft.steps else name


def _tolerance(name: str, other: OtherTask) -> Gate:
    """The skill may lose its tolerance, or more where that is within chance."""
    metric = other.metric or WITHOUT_METRIC
    falling = lower_is_better(metric)
    return Gate(
        name=f"{name} loses {other.tolerance:.0%} at most",
        when="after",
        metric=metric,
        steps=(f"evaluate/{name}",),
        against=f"evaluate/{name}-before",
        bound="low" if falling else "high",
        test=f"<= {other.tolerance:g}" if falling else f">= {0 - other.tolerance:g}",
        otherwise="stop",
        because="a skill that is lost beyond chance costs more than what training gained may be worth",
    )


def _guard(
    draft: Draft,
    skill: tuple[str, int, OtherTask],
    after: dict[str, Input],
    held_back: tuple[Gate, ...],
    kept: tuple[Gate, ...],
) -> None:
    name, number, other = skill
    form: dict[str, JsonValue] = {"format": "text", "schema": None, "labels": None}
    prompt = draft.add(
        Step(
            address=f"prompt/{name}",
            title=f"Write the prompt of the other skill `{other.name}`",
            executor="prompt",
            version="1",
            params={
                "instruction": other.name,
                **form,
                "show_form": False,
                "examples": 0,
                "select": "balanced",
                "template": PLAIN,
                "fit": False,
                "seed": SEED,
            },
            outputs=("prompt",),
            gates=held_back,
        ),
        because=("regression_guard",),
    )
    data = {"prompt": Input(step=prompt, output="prompt"), "data": Input(pin=f"data/other-{number}")}
    metric = other.metric or WITHOUT_METRIC
    before = f"{name}-before"
    for address, inputs, title, gates in (
        (before, {"model": base_model(draft)}, f"Measure the other skill `{other.name}` before training", held_back),
        (
            name,
            after | {"reference": Input(step=f"evaluate/{before}", output="predictions")},
            f"Measure `{other.name}` again: it may lose {other.tolerance:.0%} of {metric} at most",
            kept,
        ),
    ):
        draft.add(
            Step(
                address=f"evaluate/{address}",
                title=title,
                executor="evaluate",
                version="2",
                inputs={**inputs, **data},
                params={
                    "metrics": [metric],
                    **form,
                    "max_new_tokens": ANSWER_TOKENS_BY_FORMAT["text"],
                    "batch_size": int(draft.thresholds["evaluation_batch"]),
                    "dtype": draft.answer("base_dtype"),
                    "decoding": "free",
                    "grammar": None,
                    "endpoint": None,
                    "samples": 1,
                    "temperature": draft.thresholds["sampling_temperature"],
                    "judge": None,
                    "passages": None,
                    "limit": draft.spec.evaluation.limit,
                    "seed": SEED,
                },
                outputs=("predictions",),
                gates=gates,
                known_after=(metric,),
            ),
            because=("regression_guard",),
        )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
