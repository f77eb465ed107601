"""Gates before training: what fails can be trained, and something moves this model at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Gate
from planner.facts.escalating import stronger_than
from planner.ladder.retrieving import FOUND
from planner.survey.metrics import lower_is_better

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

DIAGNOSIS = "diagnose/prompting"
YARDSTICK = "evaluate/zero-shot"


def before_training(draft: Draft) -> tuple[Gate, ...]:
    """The gates of the training rung beyond the target; none where what fails is known from before the run."""
    if DIAGNOSIS not in draft.steps:
        return ()
    return (*_something_moves(draft), *_training_repairs(draft))


def _training_repairs(draft: Draft) -> tuple[Gate, ...]:
    """Training repairs behaviour; and a reader that has the passage before it and still answers wrong."""
    name = "failures are of behaviour"
    limit = draft.thresholds["gate_behaviour_share"]
    behaviour = Gate(
        name=name,
        when="before",
        metric="behaviour_share",
        steps=(DIAGNOSIS,),
        test=f">= {limit:g}",
        because="training repairs behaviour, not missing facts",
    )
    searches = _searches(draft)
    if not searches:
        return (behaviour,)
    reader = Gate(
        name=name,
        when="before",
        metric=FOUND,
        steps=searches,
        combine="last",
        test=f">= {draft.thresholds['recall_is_high']:g}",
        because="the passage was in the prompt and the answer still wrong: the reader is what can be trained",
    )
    return behaviour, reader


def _something_moves(draft: Draft) -> tuple[Gate, ...]:
    """Stop where neither examples nor evidence moved any score, and the form is not what fails."""
    moved = tuple(address for address in ("evaluate/few-shot", *_searches(draft)) if address in draft.steps)
    metrics = [
        metric
        for metric in dict.fromkeys([*sorted(draft.spec.evaluation.target), *draft.spec.evaluation.metrics])
        if not lower_is_better(metric)
    ]
    if YARDSTICK not in draft.measured or not moved or not metrics:
        return ()
    name, because = "something moves this model", _way_out(draft)
    limit = draft.thresholds["gate_behaviour_share"]
    form = Gate(
        name=name,
        when="before",
        metric="behaviour_share",
        steps=(DIAGNOSIS,),
        test=f">= {limit:g}",
        otherwise="stop",
        because=because,
    )
    return (form, *(_gain(draft, name, metric, moved, because) for metric in metrics))


def _gain(draft: Draft, name: str, metric: str, moved: tuple[str, ...], because: str) -> Gate:
    """The gain may be worth having: only an interval that ends below it says that nothing moves."""
    worth = draft.thresholds["gain_that_moves"]
    return Gate(
        name=name,
        when="before",
        metric=metric,
        steps=moved,
        against=YARDSTICK,
        bound="high",
        test=f">= {worth:g}",
        otherwise="stop",
        because=because,
    )


def _searches(draft: Draft) -> tuple[str, ...]:
    made = [address.partition("/")[2] for address in draft.steps if address.startswith("retrieve/")]
    return tuple(f"evaluate/{method}" for method in made if f"evaluate/{method}" in draft.steps)


def _way_out(draft: Draft) -> str:
    base = str(draft.answer("base_model"))
    stronger = stronger_than(base, draft.spec, draft.survey, draft.thresholds)
    then = f"plan with a stronger base, such as {stronger}" if stronger else "plan with a stronger base"
    return f"neither examples nor evidence move the score, so {base} cannot do this task and is not trained: {then}"
