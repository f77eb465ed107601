"""Steps that guard what the model could do before: each is measured before training and again after it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from planner.documents import Gate, Input, JsonValue, Step
from planner.ladder.pins import data_pin
from planner.ladder.prompting import ANSWER_TOKENS_BY_FORMAT, PLAIN, SEED, base_model
from planner.survey.metrics import lower_is_better

if TYPE_CHECKING:
    from planner.documents import OtherTask
    from planner.ladder.draft import Draft

WITHOUT_METRIC = "exact_match"
RATIO = "perplexity_ratio"
# Whoever measures another skill asks for texts.
TEXT: dict[str, JsonValue] = {"format": "text", "schema": None, "labels": None}


def regressions(draft: Draft) -> None:
    """Measure every other skill that has data with the base and with what training made of it.

    A skill without data is left to the warning that asks for it: there is nothing to measure.
    """
    trained = _trained(draft)
    if trained is None or draft.answer("regression_guard") == "none":
        return
    after, held_back = _after(trained), trained.gates
    others = [(number, other) for number, other in enumerate(draft.spec.task.other_tasks) if other.data is not None]
    kept: list[Gate] = []
    for at, (number, other) in enumerate(others):
        name = _name(draft, number, other)
        kept.append(_tolerance(name, other))
        # All skills are measured before the first loss stops the run.
        _guard(draft, (name, number, other), after, held_back, tuple(kept) if at + 1 == len(others) else ())


def short_inputs(draft: Draft) -> None:
    """After positions were stretched, hold the model against the base on no more tokens at once than the base reads."""
    trained, window = _trained(draft), draft.fact("context_tokens")
    if trained is None or "short-inputs" not in draft.answer("after_checks") or not window:
        return
    data, limit = {"data": data_pin(draft, "evaluation")}, int(draft.thresholds["short_input_rows"])
    if draft.survey.data.get(str(data["data"].pin).removeprefix("data/")) is None:
        return
    data |= {"prompt": trained.inputs["prompt"]}
    before, most = "short-inputs-before", draft.thresholds["short_input_ratio"]
    kept = Gate(
        name=f"short inputs surprise it at most {most:g} times as much",
        when="after",
        metric=RATIO,
        steps=("evaluate/short-inputs",),
        bound="low",
        test=f"<= {most:g}",
        otherwise="stop",
        because="positions that were stretched may be too coarse for the inputs of every day",
    )
    reference = {"reference": Input(step=f"evaluate/{before}", output="predictions")}
    limit = min(limit, draft.spec.evaluation.limit or limit)
    for reading in (
        Reading(before, "Read short inputs before training", {"model": trained.inputs["model"]}, trained.gates),
        Reading("short-inputs", "Read the same short inputs after it", _after(trained) | reference, (kept,)),
    ):
        own = reading._replace(inputs={**reading.inputs, **data})
        _measure(draft, own, "perplexity", "after_checks", limit=limit, window=window)


def _trained(draft: Draft) -> Step | None:
    """The last training."""
    return next((step for address, step in reversed(draft.steps.items()) if address.startswith("train/")), None)


def _after(trained: Step) -> dict[str, Input]:
    """What a training made, as an evaluation reads it."""
    [output, *_] = trained.outputs
    return {"model": trained.inputs["model"], output: Input(step=trained.address, output=output)}


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
    prompt = draft.add(
        Step(
            address=f"prompt/{name}",
            title=f"Write the prompt of the other skill `{other.name}`",
            executor="prompt",
            version="1",
            params={
                "instruction": other.name,
                **TEXT,
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
    told, again = f"`{other.name}`", f"it may lose {other.tolerance:.0%} of {metric} at most"
    reference = {"reference": Input(step=f"evaluate/{before}", output="predictions")}
    for reading in (
        Reading(before, f"Measure the other skill {told} before training", {"model": base_model(draft)}, held_back),
        Reading(name, f"Measure {told} again: {again}", after | reference, kept),
    ):
        own = reading._replace(inputs={**reading.inputs, **data})
        _measure(draft, own, metric, "regression_guard", limit=draft.spec.evaluation.limit)


class Reading(NamedTuple):
    """One measurement, of the base or of what a training made."""

    address: str
    """Last part of the step's."""
    title: str
    inputs: dict[str, Input]
    gates: tuple[Gate, ...]


def _measure(
    draft: Draft, reading: Reading, metric: str, because: str, *, limit: int | None, window: int | None = None
) -> None:
    """Draw a measurement of what is not the task, by a metric, as a decision says.

    Args:
        draft: the plan so far.
        reading: what is measured.
        metric: that is asked for.
        because: the decision that it follows from.
        limit: rows at most.
        window: tokens that are read at once at most.
    """
    draft.add(
        Step(
            address=f"evaluate/{reading.address}",
            title=reading.title,
            executor="evaluate",
            version="2",
            inputs=reading.inputs,
            params={
                "metrics": [metric],
                **TEXT,
                "max_new_tokens": ANSWER_TOKENS_BY_FORMAT["text"],
                "batch_size": int(draft.thresholds["evaluation_batch"]),
                "dtype": draft.answer("base_dtype"),
                "kv_cache": "16-bit",
                "decoding": "free",
                "grammar": None,
                "endpoint": None,
                "samples": 1,
                "temperature": draft.thresholds["sampling_temperature"],
                "judge": None,
                "passages": None,
                "window": window,
                "limit": limit,
                "seed": SEED,
            },
            outputs=("predictions",),
            gates=reading.gates,
            known_after=(metric,),
        ),
        because=(because,),
    )


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40]
