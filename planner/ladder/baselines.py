"""The step of the baselines: classifiers that need no language model's answer, the probe on its features included."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input, JsonValue, Step
from planner.facts.effort import FORWARD, device_rate
from planner.facts.model import parameters_of
from planner.ladder.pins import data_pin
from planner.ladder.prompting import SEED, base_model

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

TEXT_KINDS = ("majority", "nearest", "tfidf-logistic")
PROBE = "linear-probe"
# Metrics that a label alone decides; answers of one word have those of text, too.
OF_LABELS = frozenset(
    {"accuracy", "contains", "exact_match", "label_accuracy", "macro_f1", "normalised_match", "token_f1"}
)
# Weights that lie on this machine: nothing is fetched for a yardstick.
AT_HAND = frozenset({"folder", "hub-cache", "gguf"})


def baselines(draft: Draft) -> None:
    """Classical classifiers: seconds of work, and a yardstick."""
    inputs = {"train": Input(pin="data/train"), "data": data_pin(draft, "evaluation")}
    if draft.fact("validation_rows"):
        inputs["validation"] = Input(pin="data/validation")
    decided = draft.answer("baselines")
    kinds: list[JsonValue] = [kind for kind in decided if kind in TEXT_KINDS] or [*TEXT_KINDS]
    if PROBE in decided and _probe_is_cheap(draft):
        kinds.append(PROBE)
        inputs["model"] = base_model(draft)
    draft.add(
        Step(
            address="evaluate/baselines",
            title="Measure the baselines that need no language model's answer",
            executor="baselines",
            version="2",
            inputs=inputs,
            params={
                "kinds": kinds,
                "metrics": _metrics(draft),
                "labels": draft.output_params()["labels"],
                "dtype": draft.answer("base_dtype"),
                "seed": SEED,
            },
            outputs=("predictions",),
            rung="baselines",
            gates=draft.gates(),
        ),
        because=("rungs", "baselines"),
    )


def _metrics(draft: Draft) -> list[JsonValue]:
    """Those of the evaluation, so that the baselines can meet the target."""
    evaluation = draft.spec.evaluation
    asked = dict.fromkeys([*evaluation.metrics, *sorted(evaluation.target)])
    return [name for name in asked if name in OF_LABELS] or ["label_accuracy"]


def _probe_is_cheap(draft: Draft) -> bool:
    """Whether the base is at hand, fits the device in 16 bits, and reads all rows in the time of a yardstick."""
    model = draft.survey.models[str(draft.answer("base_model"))]
    fits = (draft.fact("inference_memory_share") or 0) <= 1
    return model.kind in AT_HAND and fits and probe_seconds(draft) <= draft.thresholds["probe_seconds"]


def probe_seconds(draft: Draft) -> float:
    """Seconds in which the base reads every labelled row once, as expected."""
    size = parameters_of(draft.survey.models[str(draft.answer("base_model"))]) or 0
    tokens = 0.0
    for role in {"train", "validation", data_pin(draft, "evaluation").pin.partition("/")[2]}:  # type: ignore[union-attr]
        data = draft.survey.data.get(role)
        if data is not None:
            tokens += (data.rows or 0) * (data.mean_tokens or draft.thresholds["assumed_row_tokens"])
    return size * tokens * FORWARD / device_rate(draft.survey).expected
