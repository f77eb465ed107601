"""Gates before training: what fails can be trained, and something moves this model at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Gate
from planner.facts.escalating import stronger_than
from planner.ladder.baselines import PROBE
from planner.ladder.retrieving import FOUND
from planner.survey.metrics import MEASURED_METRICS, lower_is_better

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

DIAGNOSIS = "diagnose/prompting"
# What the names of scores that are read leniently end with.
LENIENT = "_lenient"
BASELINES = "evaluate/baselines"
# What experiments put into the prompt, or hold decoding to: the share of the failing cases that each repairs.
REPAIRS = ("repaired_by_gold_passage", "repaired_by_nearest_examples", "repaired_by_constrained_decoding")


def before_training(draft: Draft) -> tuple[Gate, ...]:
    """The gates of the training rung beyond the target: what fails can be trained, where that is not known already."""
    if DIAGNOSIS not in draft.steps:
        return _room_above_baselines(draft)
    return (*_room_above_baselines(draft), *_something_moves(draft), *_training_repairs(draft))


def _room_above_baselines(draft: Draft) -> tuple[Gate, ...]:
    """Without a target that asks for more, a strong probe on the base's features is not trained against."""
    metric = draft.yardstick()
    known = draft.steps.get(BASELINES)
    kinds = known.params["kinds"] if known is not None else []
    strong = draft.thresholds["strong_baseline"]
    if draft.spec.evaluation.target or metric is None or not isinstance(kinds, list) or PROBE not in kinds:
        return ()
    gate = Gate(
        name="the baselines leave room for training",
        when="before",
        metric=metric,
        steps=(BASELINES,),
        bound="high",
        test=f"< {strong:g}",
        because="a probe on the base's features that is this good equals what training the base would reach",
    )
    return (gate,)


def _training_repairs(draft: Draft) -> tuple[Gate, ...]:
    """Training repairs all but missing facts; and a reader that has the passage before it and still answers wrong.

    What no experiment explains keeps nobody from training: that a prompt does not move a model tells little of what
    training does to it.
    """
    name = "missing facts are not most of the failures"
    limit = draft.thresholds["gate_information_share"]
    facts = Gate(
        name=name,
        when="before",
        metric="information_share",
        steps=(DIAGNOSIS,),
        bound="low",
        test=f"< {limit:g}",
        because="training repairs behaviour, not missing facts",
    )
    searches = _searches(draft)
    if not searches:
        return (facts,)
    reader = Gate(
        name=name,
        when="before",
        metric=FOUND,
        steps=searches,
        combine="last",
        test=f">= {draft.thresholds['recall_is_high']:g}",
        because="the passage was in the prompt and the answer still wrong: the reader is what can be trained",
    )
    return facts, reader


def _something_moves(draft: Draft) -> tuple[Gate, ...]:
    """Stop where neither examples nor evidence moved any score, and the form is not what fails."""
    start = draft.first_look("zero-shot")
    moved = tuple(address for address in (draft.first_look("few-shot"), *_searches(draft)) if address in draft.steps)
    asked = dict.fromkeys([*sorted(draft.spec.evaluation.target), *draft.spec.evaluation.metrics])
    rising = [metric for metric in asked if not lower_is_better(metric)]
    # Read leniently, content that moved counts though its form is wrong still.
    metrics = [*rising, *(f"{metric}{LENIENT}" for metric in rising if metric in MEASURED_METRICS)]
    if start not in draft.steps or not moved or not metrics:
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
    # The gain may be worth having: only an interval that ends below it says that nothing moves.
    worth = draft.thresholds["gain_that_moves"]
    looked: list[tuple[str, tuple[str, ...], str | None]] = [(metric, (DIAGNOSIS,), None) for metric in REPAIRS]
    looked += [(metric, moved, start) for metric in metrics]
    gains = [
        Gate(
            name=name,
            when="before",
            metric=metric,
            steps=steps,
            against=against,
            bound="high",
            test=f">= {worth:g}",
            otherwise="stop",
            because=because,
        )
        for metric, steps, against in looked
    ]
    return (form, *gains)


def _searches(draft: Draft) -> tuple[str, ...]:
    made = [address.partition("/")[2] for address in draft.steps if address.startswith("retrieve/")]
    return tuple(look for method in made if (look := draft.first_look(method)) in draft.steps)


def _way_out(draft: Draft) -> str:
    base = str(draft.answer("base_model"))
    stronger = stronger_than(base, draft.spec, draft.survey, draft.thresholds)
    then = f"plan with a stronger base, such as {stronger}" if stronger else "plan with a stronger base"
    return f"neither examples nor evidence move the score, so {base} cannot do this task and is not trained: {then}"
