"""Steps of a classifier: a head over labels that reads requests as they are, with neither prompt nor written words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input, Step
from planner.ladder.launching import Training, labels_told, train
from planner.ladder.prompting import SEED

if TYPE_CHECKING:
    from planner.documents import Gate
    from planner.ladder.draft import Draft

OBJECTIVE = "classification-head"
PROBE = "linear-probe"
NAME = "train/classification-head"


def train_head(draft: Draft, sources: dict[str, Input], method: str, gates: tuple[Gate, ...]) -> str:
    """Draw the training of a head, or the fit of one on frozen features.

    Args:
        draft: the plan so far.
        sources: the model and the rows; passages and prompts are left out.
        method: by which what is beside the head is trained.
        gates: of the rung.

    Returns:
        The step's address.
    """
    inputs = {name: source for name, source in sources.items() if name in ("model", "train", "validation")}
    if method != PROBE:
        return train(draft, Training(OBJECTIVE, OBJECTIVE, inputs, gates, {}, method=method))
    return draft.add(
        Step(
            address=NAME,
            title="Fit a linear head on the features of the frozen base",
            executor=PROBE,
            version="1",
            inputs=inputs,
            params={"labels": labels_told(draft), "base_dtype": draft.answer("base_dtype"), "seed": SEED},
            outputs=("adapter",),
            gates=gates,
            known_now={"method": PROBE},
            known_after=("layer", "choice_accuracy"),
        ),
        because=("objective", "method", "base_dtype"),
    )
