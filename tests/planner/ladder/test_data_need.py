"""What more examples would bring is measured where they are few, the finetune missed the target, and a curve can be."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executors.data_need import DataNeed, DataNeedParams
from planner.planning import plan
from tests.planner.specs import spec

if TYPE_CHECKING:
    from planner.documents import Plan

SMALL = [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]
FEW = {"examples": 400, "mean_tokens": 40, "quality": "curated"}


def drawn(**changes: Any) -> Plan:
    measured = {"metrics": ["label_accuracy"], "target": {"label_accuracy": 0.9}}
    return plan(spec(**{"evaluation": measured, "models": SMALL, "data__train": FEW} | changes))


@pytest.mark.parametrize("overrides", [{}, {"method": "full"}, {"objective": "classification-head"}])
def test_few_examples_are_trained_on_in_parts_after_the_finetune_missed_the_target(overrides: dict[str, Any]) -> None:
    document = drawn(overrides=overrides)
    [step] = [step for step in document.steps if step.executor == "data-need"]
    DataNeedParams.model_validate(step.params)
    assert step.version == DataNeed.version
    trained = document.step(str(step.inputs["trained"].step))
    assert step.params["training"] == trained.params
    assert {gate.steps[0] for gate in step.gates} >= {trained.address.replace("train/", "evaluate/")}
    time, whole = step.resources.time, trained.resources.time
    assert time is not None
    assert whole is not None
    assert time.expected < whole.expected or trained.executor == "linear-probe"


@pytest.mark.parametrize(
    "changes",
    [
        {"data__train": {"examples": 20_000, "mean_tokens": 40, "quality": "curated"}},
        {"data__validation": None},
        {"overrides": {"learning_curve": False}},
    ],
)
def test_no_curve_is_drawn_where_it_would_tell_nothing(changes: dict[str, Any]) -> None:
    assert not [step for step in drawn(**changes).steps if step.executor == "data-need"]
