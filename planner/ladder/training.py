"""Steps of the training rung: diagnosis, training, measurement, merge, and the proof that the merge changed nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Gate, Input, JsonValue, Step
from planner.ladder.launching import Training, output_of, train
from planner.ladder.paths import before_training
from planner.ladder.pins import data_pin
from planner.ladder.prompting import SEED, add_prompt, base_model, evaluate

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

# What each objective trains on, in the order in which it is done.
STAGES: dict[str, tuple[tuple[str, str], ...]] = {
    "continued-pretraining+sft": (("continued-pretraining", "documents"), ("sft", "train")),
    "continued-pretraining": (("continued-pretraining", "documents"),),
    "preference": (("preference", "preferences"),),
}


def diagnose(draft: Draft) -> None:
    """Why the cheaper rungs failed, case by case."""
    source = draft.measured[-1]
    draft.add(
        Step(
            address="diagnose/prompting",
            title="Find out why the answers fail, case by case",
            executor="diagnose",
            version="1",
            inputs={"predictions": Input(step=source, output="predictions"), "data": data_pin(draft, "evaluation")},
            params={**draft.output_params(), "kind": draft.spec.task.kind, "seed": SEED},
            outputs=("report",),
            gates=draft.gates(),
            known_after=("behaviour_share", "information_share"),
        ),
        because=("approach",),
    )


def training(draft: Draft, base: Input | None = None) -> None:
    """Train, measure, and merge when one variant is served; `base` is a model that an earlier step made."""
    if None in (draft.answer("objective"), draft.answer("method"), draft.answer("distribution")):
        # No way of training fits: the decisions say what it would need.
        return
    gates = draft.gates()
    if "diagnose/prompting" in draft.steps:
        limit = draft.thresholds["gate_behaviour_share"]
        because = "training repairs behaviour, not missing facts"
        gates += (_diagnosed(f">= {limit:g}", because),)
    add_prompt(draft, "short", examples=0, show_form=False, gates=gates)
    base = base or base_model(draft)
    inputs = {"model": base, "prompt": Input(step="prompt/short", output="prompt")}
    index = next((address for address in draft.steps if address.startswith("retrieve/")), None)
    if index and draft.answer("approach") == "rag+finetune":
        # The reader learns from the prompts that it will be given: with passages in them.
        inputs["index"] = Input(step=index, output="index")
    before = before_training(draft, inputs, gates)
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
        _merge(draft, tuned, base, inputs["adapter"], measured)


def _diagnosed(test: str, because: str) -> Gate:
    return Gate(
        name="failures are of behaviour",
        when="before",
        metric="behaviour_share",
        steps=("diagnose/prompting",),
        test=test,
        because=because,
    )


def _train(draft: Draft, stage: str, train_on: Input, inputs: dict[str, Input], gates: tuple[Gate, ...]) -> str:
    sources = {**inputs, "train": train_on}
    if draft.fact("validation_rows") and train_on.pin != "data/documents":
        sources["validation"] = Input(pin="data/validation")
    changes: dict[str, JsonValue] = {}
    if stage == "continued-pretraining":
        # A stage before another: what is decided is decided for the stage on pairs.
        changes = {"epochs": float(draft.thresholds["raw_text_epochs"]), "prompt_loss_weight": 1.0, "packing": True}
    return train(draft, Training(stage, stage, sources, gates, changes))


def _merge(draft: Draft, tuned: str, base: Input, adapter: Input, measured: str) -> None:
    limit = draft.thresholds["least_token_agreement"]
    draft.add(
        Step(
            address=f"merge/{tuned}",
            title="Merge the adapter into the base",
            executor="merge",
            version="1",
            inputs={"model": base, "adapter": adapter},
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
            "model": Input(step=f"merge/{tuned}", output="model"),
            "prompt": Input(step="prompt/short", output="prompt"),
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
