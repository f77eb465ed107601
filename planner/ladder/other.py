"""Steps of the other rungs: merging models, quantizing the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input, JsonValue, Step
from planner.ladder.pins import data_pin
from planner.ladder.prompting import SEED, add_prompt, evaluate

if TYPE_CHECKING:
    from planner.ladder.draft import Draft


def merging(draft: Draft) -> None:
    """Models that exist already become one, which is measured against the target."""
    merge = draft.spec.merge
    if merge is None:
        return
    weights: JsonValue = [round(1 / len(merge.sources), 6) for _ in merge.sources]
    draft.add(
        Step(
            address="merge/models",
            title=f"Merge {len(merge.sources)} models by {draft.answer('merge')}",
            executor="merge",
            version="1",
            inputs={f"source-{number}": Input(pin=f"model/source-{number}") for number in range(len(merge.sources))},
            params={
                "method": draft.answer("merge"),
                "weights": weights,
                "dtype": draft.answer("base_dtype"),
                "seed": SEED,
            },
            outputs=("model",),
        ),
        because=("approach", "merge"),
    )
    add_prompt(draft, "zero-shot", examples=0, show_form=True)
    evaluate(
        draft,
        "merged",
        "Measure the merged model",
        rung="merge",
        inputs={"model": Input(step="merge/models", output="model"), "prompt": _prompt()},
        because=("merge",),
    )


def quantizing(draft: Draft) -> None:
    """The result in fewer bits, measured again: a quantized model is another model until it is measured."""
    kind = draft.answer("quantization")
    sources = [step for step in draft.steps if step.startswith("merge/")]
    if kind == "none" or not sources:
        return
    prompt = Input(step="prompt/short", output="prompt") if "prompt/short" in draft.steps else _prompt()
    inputs = {"model": Input(step=sources[-1], output="model")}
    if draft.fact("train_rows"):
        inputs["calibration"] = data_pin(draft, "train")
    draft.add(
        Step(
            address=f"quantize/{kind}",
            title=f"Quantize to {kind}",
            executor="quantize",
            version="1",
            inputs=inputs,
            params={"method": kind, "seed": SEED},
            outputs=("model",),
        ),
        because=("quantization",),
    )
    evaluate(
        draft,
        str(kind),
        "Measure what quantizing cost",
        rung=f"quantized ({kind})",
        inputs={"model": Input(step=f"quantize/{kind}", output="model"), "prompt": prompt},
        because=("quantization",),
    )


def _prompt() -> Input:
    return Input(step="prompt/zero-shot", output="prompt")
