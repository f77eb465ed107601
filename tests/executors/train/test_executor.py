from __future__ import annotations

from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from executors.contract import Site
from executors.train import Train, TrainParams
from executors.train.spreading import SPREAD, refusals
from planner.documents import Input, RunError, Step
from planner.facts import Board
from planner.rules import plan_table
from planner.rules.engine import trace_of
from tests.executors.train.jobs import METHODS, OBJECTIVES, PARAMS, params_of

SITE = Site(device="cpu", device_memory_bytes=2**34, cores=2, disk_free_bytes=2**36)


def step(*inputs: str, **changes: Any) -> Step:
    given = {name: Input(pin=f"data/{name}") for name in inputs}
    return Step(
        address="train/sft", title="Train", executor="train", version="1", inputs=given, params=PARAMS | changes
    )


def test_a_complete_step_passes() -> None:
    assert Train().check(step("model", "prompt", "train"), SITE) == []


@pytest.mark.parametrize(
    ("inputs", "changes", "said"),
    [
        (("model", "prompt"), {}, "The input train is missing."),
        (("model", "prompt", "train"), {"early_stopping_patience": 2}, "Early stopping needs validation rows."),
        (("model", "prompt", "train"), {"precision": "fp16"}, "Precision fp16 cannot be trained on cpu."),
    ],
)
def test_what_would_fail_is_said_before_the_run(inputs: tuple[str, ...], changes: dict[str, Any], said: str) -> None:
    (finding,) = Train().check(step(*inputs, **changes), SITE)
    assert finding.message == said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"base_dtype": "bf16"}, "precision fp32 needs base_dtype fp32, which is bf16"),
        ({"early_stopping_patience": 1, "evaluations_per_epoch": 0}, "needs evaluations_per_epoch"),
        ({"rank": 0}, "greater than or equal to 1"),
        ({"prompt_loss_weight": 1.5}, "less than or equal to 1"),
        ({"color": "red"}, "Extra inputs are not permitted"),
    ],
)
def test_parameters_that_contradict_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrainParams.model_validate(params_of() | changes)


def test_errors_have_classes() -> None:
    assert Train().classify(RunError.one("TRAIN020", "The loss is nan.")) == "nan"
    assert Train().classify(RunError.one("TRAIN015", "Another dtype.")) == "config"
    assert Train().classify(MemoryError()) == "oom"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distribution": "ddp"}, "needs devices, nodes"),
        ({"devices": 2}, "sft by lora has no devices"),
        ({"distribution": "fsdp", "devices": 2, "nodes": 1, "optimizer": "adamw-8bit"}, "cannot share out the states"),
        (
            {"distribution": "zero-2", "devices": 2, "nodes": 1, "offload": "parameters"},
            "zero-2 keeps weights on every",
        ),
        ({"distribution": "offload", "offload": "none"}, "needs offload of optimizer or parameters"),
    ],
)
def test_what_cannot_be_spread_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TrainParams.model_validate(params_of() | changes)


@pytest.mark.parametrize("way", SPREAD)
@pytest.mark.parametrize("method", METHODS)
def test_a_plan_warns_of_exactly_the_spread_trainings_that_are_refused(way: str, method: str) -> None:
    """But for distillation by DeepSpeed, which no plan draws."""
    (row,) = (row for rows in plan_table().rows.values() for row in rows if row.rule.id == "TRW126")
    own = METHODS[method].get("optimizer", "adamw")
    for objective, optimizer, precision in product(
        set(OBJECTIVES) - {"distillation"}, {own, "adamw-8bit", "paged-adamw-8bit"}, ("fp32", "bf16", "fp16")
    ):
        known = {"distribution": way, "method": method, "objective": objective, "optimizer": optimizer}
        known |= {"precision": precision}
        params = {"base_quantization": None, "offload": "optimizer", **METHODS[method], **known}
        refused = any(wrong for wrong, _ in refusals(SimpleNamespace(**params)))  # type: ignore[arg-type]
        warned = trace_of(row, Board(known | {"last_method": method})).verdict == "holds"
        assert refused == warned, known
