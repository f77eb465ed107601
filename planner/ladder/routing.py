"""Steps that train the router of a mixture: its experts are known, and which token goes where is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input
from planner.ladder.exits import before_training
from planner.ladder.launching import Training, train
from planner.ladder.prompting import add_prompt, evaluate

if TYPE_CHECKING:
    from planner.documents import JsonValue
    from planner.ladder.draft import Draft

METHOD = "router"
# What a router can be trained on here: pairs, or raw text where there are none.
PAIRS = ("sft", "continued-pretraining+sft", "distillation")
TEXT = ("continued-pretraining",)


def routes(draft: Draft) -> bool:
    """Whether the data are such that the router alone is trained on them; else the mixture is trained as a model is."""
    return draft.answer("objective") in (*PAIRS, *TEXT) and bool(
        draft.fact("train_rows") or draft.fact("document_rows")
    )


def train_router(draft: Draft, mixture: Input) -> None:
    """Train the routers on the data of all experts together and measure the result; everything else stays frozen."""
    gates = draft.gates() + before_training(draft)
    add_prompt(draft, "short", examples=0, show_form=False, gates=gates)
    prompt = Input(step="prompt/short", output="prompt")
    pairs = bool(draft.fact("train_rows"))
    role, objective = ("train", "sft") if pairs else ("documents", "continued-pretraining")
    inputs = {"model": mixture, "train": Input(pin=f"data/{role}")} | ({"prompt": prompt} if pairs else {})
    validation = draft.survey.data.get("validation")
    fits = validation is not None and (validation.shape == "text") != pairs
    if fits:
        inputs["validation"] = Input(pin="data/validation")
    changes: dict[str, JsonValue] = {"learning_rate": float(draft.thresholds["router_learning_rate"])}
    if not pairs:
        held_out = 0.0 if fits else float(draft.thresholds["raw_text_held_out"])
        changes |= {"epochs": float(draft.thresholds["raw_text_epochs"]), "prompt_loss_weight": 1.0}
        changes |= {"packing": True, "held_out": held_out}
    title = "Train the router: which token goes to which expert"
    trained = train(draft, Training(METHOD, objective, inputs, gates, changes, title=title, method=METHOD))
    evaluate(
        draft,
        "mixture",
        "Measure the mixture of experts with its trained router",
        rung="mixture (router)",
        inputs={"model": Input(step=trained, output="model"), "prompt": prompt},
        because=("merge", "merge_training"),
        gates=(),
    )
