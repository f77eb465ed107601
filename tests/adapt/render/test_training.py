"""What a report says of trainings."""

from __future__ import annotations

from adapt.render.training import trainings_told
from executors.report import StepReport
from planner.documents import StepError

HALVED = {
    "after": "oom",
    "set": {"accumulation": 2, "micro_batch": 4},
    "was": {"accumulation": 1, "micro_batch": 8},
    "because": "half the rows at once, the same effective batch",
}
RECOMPUTED = {
    "after": "oom",
    "set": {"gradient_checkpointing": True},
    "was": {"gradient_checkpointing": False},
    "because": "activations are recomputed instead of kept",
}
CRASHED = {
    "after": "infrastructure",
    "set": {},
    "was": {},
    "because": "what crashed goes on from the newest checkpoint",
}


def step(**changes: object) -> StepReport:
    basis = {"address": "train/sft", "title": "Train", "executor": "train", "status": "done"}
    return StepReport.model_validate(basis | changes)


def test_all_that_was_tried_is_told_with_what_it_changed() -> None:
    notes = {"retried": [CRASHED, HALVED, RECOMPUTED], "resumed_from": 12, "curve": "The training loss fell."}
    told = trainings_told((step(notes=notes, params={"micro_batch": 4, "accumulation": 2, "devices": 2}),))
    halved = "with accumulation 1 -> 2, micro_batch 8 -> 4: half the rows at once, the same effective batch."
    recomputed = "with gradient_checkpointing off -> on: activations are recomputed instead of kept."
    assert told == [
        "train/sft crashed and was tried again: what crashed goes on from the newest checkpoint.",
        f"train/sft ran out of memory and was tried again {halved}",
        f"train/sft ran out of memory and was tried again {recomputed}",
        "train/sft took 16 rows a step all the same, as planned.",
        "train/sft went on from the checkpoint of step 12.",
        "train/sft ended: The training loss fell.",
    ]


def test_an_early_end_is_told_and_whose_weights_were_kept() -> None:
    notes = {"curve": "It settled.", "epochs": 17.0, "steps": 68, "chosen_step": 60}
    (told,) = trainings_told((step(notes=notes, params={"epochs": 20.0}),))
    assert "It was stopped after 17 of 20 epochs, as no evaluation was better any more." in told
    assert told.endswith("The weights of step 60 of 68 were kept, where the validation loss was lowest.")


def test_the_end_of_the_ladder_is_told() -> None:
    error = StepError(cls="oom", message="OutOfMemoryError: CUDA out of memory.")
    found = trainings_told((step(status="failed", notes={"retried": [RECOMPUTED]}, error=error),))
    assert found[-1] == "train/sft cannot take less memory by any way that the plan knows."


def test_a_calm_step_needs_no_words() -> None:
    assert trainings_told((step(notes={"rows": 4, "resumed_from": 0}),)) == []
