"""Steps that guard the model's other skills: each is measured before training and again after it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.documents import Input, JsonValue, Step
from planner.ladder.prompting import ANSWER_TOKENS_BY_FORMAT, SEED, base_model

if TYPE_CHECKING:
    from planner.documents import Gate, OtherTask
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
    after = {"model": base_model(draft), output: Input(step=trained, output=output)}
    gates = draft.steps[trained].gates
    for number, other in enumerate(draft.spec.task.other_tasks):
        if other.data is not None:
            _guard(draft, number, other, after, gates)


def _guard(draft: Draft, number: int, other: OtherTask, after: dict[str, Input], gates: tuple[Gate, ...]) -> None:
    name = f"regression-{_slug(other.name) or number}"
    if f"prompt/{name}" in draft.steps:
        name = f"{name}-{number}"
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
                "seed": SEED,
            },
            outputs=("prompt",),
            gates=gates,
        ),
        because=("regression_guard",),
    )
    data = {"prompt": Input(step=prompt, output="prompt"), "data": Input(pin=f"data/other-{number}")}
    metric = other.metric or WITHOUT_METRIC
    before = f"{name}-before"
    for address, inputs, title, held_back in (
        (before, {"model": base_model(draft)}, f"Measure the other skill `{other.name}` before training", gates),
        (
            name,
            after | {"reference": Input(step=f"evaluate/{before}", output="predictions")},
            f"Measure `{other.name}` again: it may lose {other.tolerance:.0%} of {metric} at most",
            (),
        ),
    ):
        draft.add(
            Step(
                address=f"evaluate/{address}",
                title=title,
                executor="evaluate",
                version="1",
                inputs={**inputs, **data},
                params={
                    "metrics": [metric],
                    **form,
                    "max_new_tokens": ANSWER_TOKENS_BY_FORMAT["text"],
                    "batch_size": int(draft.thresholds["evaluation_batch"]),
                    "dtype": draft.answer("base_dtype"),
                    "decoding": "free",
                    "passages": None,
                    "limit": draft.spec.evaluation.limit,
                    "seed": SEED,
                },
                outputs=("predictions",),
                gates=held_back,
                known_after=(metric,),
            ),
            because=("regression_guard",),
        )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
