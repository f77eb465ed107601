"""Steps of the training rung: training, measurement, merge, and the proof that the merge changed nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Gate, Input, JsonValue, Step
from planner.ladder.exits import before_training
from planner.ladder.launching import Training, output_of, train
from planner.ladder.paths import before_training as before_base
from planner.ladder.prompting import add_prompt, base_model, evaluate
from planner.ladder.retrieving import reading

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

# What each objective trains on, in the order in which it is done.
STAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "continued-pretraining+sft": (("continued-pretraining", "documents"), ("sft", "train")),
    "continued-pretraining": (("continued-pretraining", "documents"),),
    "preference": (("preference", "preferences"),),
}


def training(draft: Draft, base: Input | None = None) -> None:
    """Train, measure, and merge when one variant is served; `base` is a model that an earlier step made."""
    if None in (draft.answer("objective"), draft.answer("method"), draft.answer("distribution")):
        # No way of training fits: the decisions say what it would need.
        return
    gates = draft.gates() + before_training(draft)
    add_prompt(draft, "short", examples=0, show_form=False, gates=gates)
    base = base or base_model(draft)
    inputs = {"model": base, "prompt": Input(step="prompt/short", output="prompt")}
    index = next((address for address in draft.steps if address.startswith("retrieve/")), None)
    if index:
        # The reader learns from the prompts that it will be given: with passages in them, of the first search, which
        # alone is sure to be there.
        inputs |= reading(draft, index)
    before = before_base(draft, inputs, gates)
    base = before.model or base
    inputs["model"] = base
    output = output_of(str(draft.answer("method")))
    previous = ""
    objective = str(draft.answer("objective"))
    for stage, role in STAGES.get(objective, ((objective, "train"),)):
        previous = _train(draft, stage, before.rows or Input(pin=f"data/{role}"), inputs, gates)
        inputs = {**inputs, output: Input(step=previous, output=output)}
    tuned = previous.partition("/")[2]
    measured = evaluate(
        draft,
        tuned,
        "Measure the finetuned model",
        rung=f"finetune ({draft.answer('method')})",
        inputs=inputs,
        because=("method",),
        gates=(),
    )
    if output == "adapter" and draft.answer("serving") == "merged":
        _merge(draft, tuned, inputs, measured)


def _train(draft: Draft, stage: str, train_on: Input, inputs: dict[str, Input], gates: tuple[Gate, ...]) -> str:
    sources = {**inputs, "train": train_on}
    if stage != "sft":
        # Only questions are asked with passages; text and comparisons stand for themselves.
        sources = {name: source for name, source in sources.items() if name not in ("index", "encoder", "reranker")}
    if draft.fact("validation_rows") and train_on.pin != "data/documents":
        sources["validation"] = Input(pin="data/validation")
    changes: dict[str, JsonValue] = {}
    if stage == "continued-pretraining":
        # A stage before another: what is decided is decided for the stage on pairs.
        changes = {"epochs": float(draft.thresholds["raw_text_epochs"]), "prompt_loss_weight": 1.0, "packing": True}
    return train(draft, Training(stage, stage, sources, gates, changes))


def _merge(draft: Draft, tuned: str, inputs: dict[str, Input], measured: str) -> None:
    asked = {name: source for name, source in inputs.items() if name != "adapter"}
    limit = draft.thresholds["least_token_agreement"]
    draft.add(
        Step(
            address=f"merge/{tuned}",
            title="Merge the adapter into the base",
            executor="merge",
            version="1",
            inputs={"model": inputs["model"], "adapter": inputs["adapter"]},
            params={"dtype": draft.answer("base_dtype")},
            outputs=("model",),
        ),
        because=("serving", "merge_into"),
    )
    if "none" not in (draft.answer("evaluation_quantization"), draft.answer("quantization")):
        # 16-bit weights do not fit the hardware at hand: the quantized result is held against the adapter instead.
        return
    evaluate(
        draft,
        "merged",
        "Check that the merged model answers as the adapter did",
        rung="merged",
        inputs={
            **asked,
            "model": Input(step=f"merge/{tuned}", output="model"),
            "reference": Input(step=measured, output="predictions"),
        },
        because=("serving",),
        gates=(
            Gate(
                name="the merged model answers as the adapter did",
                when="after",
                metric="token_agreement",
                steps=("evaluate/merged",),
                test=f">= {limit:g}",
                otherwise="stop",
                because="a merge that changes answers is another model than the one that was measured",
            ),
        ),
    )
