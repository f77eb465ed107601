"""Steps of the training rung: training, measurement, merge, and the proof that the merge changed nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Gate, Input, JsonValue, Step
from planner.ladder import heads
from planner.ladder.equivalence import equivalence
from planner.ladder.exits import before_training
from planner.ladder.launching import BY_METHOD, Training, output_of, train
from planner.ladder.paths import Before
from planner.ladder.paths import before_training as before_base
from planner.ladder.prompting import add_prompt, base_model, evaluate
from planner.ladder.retrieving import reading
from planner.survey.data_remarks import PREFERENCE_SHAPES

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
    headed = draft.answer("objective") == heads.OBJECTIVE
    base = base or base_model(draft)
    inputs = {"model": base}
    if not headed or draft.answer("path") == "distillation":
        add_prompt(draft, "short", examples=0, show_form=False, gates=gates)
        inputs["prompt"] = Input(step="prompt/short", output="prompt")
    index = next((address for address in draft.steps if address.startswith("retrieve/")), None)
    if index:
        # The reader learns from the prompts that it will be given: with passages in them, of the first search, which
        # alone is sure to be there.
        inputs |= reading(draft, index)
    # A probe costs less than what would test the code and the data before it.
    before = Before() if draft.answer("method") == heads.PROBE else before_base(draft, inputs, gates)
    base = before.model or base
    inputs["model"] = base
    if headed:
        inputs = {"model": base}
    previous = output = ""
    objective = str(draft.answer("objective"))
    stages = STAGES.get(objective, ((objective, "train"),))
    if objective == "infilling" and not draft.fact("train_rows"):
        stages = ((objective, "documents"),)
    for stage, role in stages:
        if previous:
            # What a stage learned is in the weights that the next one starts from.
            inputs["model"] = _whole(draft, previous, output, inputs)
        method = str(draft.answer("method") if role == "documents" else draft.fact("last_method"))
        read = {**inputs, **before.teacher}
        previous = _train(draft, stage, method, before.rows or Input(pin=f"data/{role}"), read, gates)
        output = output_of(method)
    tuned = previous.partition("/")[2]
    inputs[output] = Input(step=previous, output=output)
    measured = evaluate(
        draft,
        tuned,
        "Measure the finetuned model",
        rung=f"finetune ({draft.fact('last_method')})",
        inputs=inputs,
        because=("method",),
        gates=(),
    )
    if output == "adapter" and draft.answer("serving") == "merged":
        _merge(draft, tuned, inputs, measured)


def _train(
    draft: Draft, stage: str, method: str, train_on: Input, inputs: dict[str, Input], gates: tuple[Gate, ...]
) -> str:
    sources = {**inputs, "train": train_on}
    changes: dict[str, JsonValue] = {}
    validation = draft.survey.data.get("validation")
    if stage == "continued-pretraining":
        # Text stands for itself: without instruction, passages and answers.
        sources = {name: sources[name] for name in ("model", "train")}
        if draft.answer("objective") != stage:
            # Of two stages, these are decided for the one on pairs.
            passes, packs = (
                float(draft.thresholds["raw_text_epochs"]),
                "virtual_tokens" not in BY_METHOD.get(method, ()),
            )
            changes = {"epochs": passes, "prompt_loss_weight": 1.0, "packing": packs}
        as_text = validation is not None and validation.shape == "text"
        changes["held_out"] = 0.0 if as_text else float(draft.thresholds["raw_text_held_out"])
        if as_text:
            sources["validation"] = Input(pin="data/validation")
        return train(draft, Training(stage, stage, sources, gates, changes))
    if stage == "infilling":
        # A gap is asked for by its marks alone.
        sources = {name: sources[name] for name in ("model", "train")}
        whole = train_on.pin == "data/documents" or _shape(draft, "train") == "text"
        held_out = float(draft.thresholds["raw_text_held_out"]) if whole and not draft.fact("validation_rows") else 0.0
        changes["held_out"] = held_out
    elif stage != "sft":
        # Only questions are asked with passages; text and comparisons stand for themselves.
        sources = {name: source for name, source in sources.items() if name not in ("index", "encoder", "reranker")}
    # Comparisons are not validated on rows that compare nothing.
    foreign = stage == "preference" and validation and validation.shape not in (None, *PREFERENCE_SHAPES)
    if draft.fact("validation_rows") and not foreign:
        sources["validation"] = Input(pin="data/validation")
    if stage == heads.OBJECTIVE:
        return heads.train_head(draft, sources, method, gates)
    if method != draft.answer("method"):
        changes = {"learning_rate": draft.answer("pair_learning_rate")}
        if "rank" in BY_METHOD.get(method, ()):
            changes["rank"] = int(draft.answer("pair_rank"))
    # What a teacher wrote is learned as any pairs are, unless its distributions can be learned as well.
    objective = "distillation" if "teacher" in sources else "sft" if stage == "distillation" else stage
    return train(draft, Training(stage, objective, sources, gates, changes, method=method))


def _shape(draft: Draft, role: str) -> str | None:
    found = draft.survey.data.get(role)
    return found.shape if found else None


def _whole(draft: Draft, previous: str, output: str, inputs: dict[str, Input]) -> Input:
    """The model that a stage leaves for the next one: an adapter is merged into what it was trained on."""
    learned = Input(step=previous, output=output)
    return learned if output == "model" else _merged(draft, previous.partition("/")[2], inputs["model"], learned)


def _merged(draft: Draft, name: str, model: Input, adapter: Input) -> Input:
    address = draft.add(
        Step(
            address=f"merge/{name}",
            title="Merge the adapter into the base",
            executor="merge",
            version="1",
            inputs={"model": model, "adapter": adapter},
            params={"dtype": draft.answer("base_dtype")},
            outputs=("model",),
        ),
        because=("serving", "merge_into"),
    )
    return Input(step=address, output="model")


def _merge(draft: Draft, tuned: str, inputs: dict[str, Input], measured: str) -> None:
    asked = {name: source for name, source in inputs.items() if name != "adapter"}
    limit = draft.thresholds["least_token_agreement"]
    merged = _merged(draft, tuned, inputs["model"], inputs["adapter"])
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
            "model": merged,
            "reference": Input(step=measured, output="predictions"),
        },
        because=("serving",),
        gates=(
            Gate(
                name="the merged model answers as the adapter did",
                when="after",
                metric="token_agreement",
                steps=("evaluate/merged",),
                bound="high",
                test=f">= {limit:g}",
                otherwise="stop",
                because="a merge that changes answers is another model than the one that was measured",
            ),
        ),
        # A merge that changes answers does so on any few of them.
        changed={"limit": int(draft.thresholds["screen_rows"])} if draft.answer("screening") else {},
    )
    title = "Hold the merged model against the adapter, token by token"
    equivalence(draft, "merged", title, bits=16, because=("serving", "after_checks"))
