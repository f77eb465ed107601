"""The parameters of a step are those that its executor takes, every one of them said."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from executors.registry import executor_registry
from executors.train.belonging import ALL_OWN, LEARNING, OWN, output_of
from executors.train.spreading import SPREAD
from planner.documents import InputError, Plan
from planner.planning import plan
from tests.planner.specs import spec
from tests.planner.specs_after_training import MISTRAL, merging, sources

if TYPE_CHECKING:
    from executors.contract import Params

OF_TWO = ("linear", "slerp", "task-arithmetic", "ties", "dare-linear", "dare-ties", "della")
OF_MANY = ("chained-slerp", "federated-average")
ROOT = Path(__file__).parents[3]
DRAWN = ("prompt", "prompt-search", "evaluate", "diagnose", "train", "merge", "prepare", "quantize", "equivalence")


def params_of(executor: str) -> type[Params] | None:
    """The model of an executor's parameters; None when the executor is not here yet."""
    try:
        loaded = executor_registry().load(executor)
    except InputError:
        return None
    model: type[Params] = loaded.params
    return model


@pytest.fixture(scope="module")
def plans() -> list[Plan]:
    measured = {"metrics": ["label_accuracy"], "target": {"label_accuracy": 0.9}}
    small = [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]
    as_json: dict[str, Any] = {"format": "json", "schema": {"type": "object"}}
    return [
        plan(ROOT / "plans" / "voice-commands" / "spec.json"),
        plan(spec(evaluation=measured, models=small)),
        plan(spec(evaluation=measured, models=small, task__output=as_json, task__kind="extraction")),
        plan(
            spec(
                evaluation=measured,
                models=small,
                data__train={"examples": 400, "mean_tokens": 80.5},
                data__validation=None,
            )
        ),
        plan(spec(evaluation=measured, models=small, overrides={"quantization": "int8"})),
        plan(spec(evaluation=measured, models=small, overrides={"quantization": "gguf"})),
        *(plan(merging(sources("a", "b"), method=method)) for method in OF_TWO),
        plan(merging([MISTRAL], "upscale", models=[MISTRAL])),
        *(plan(merging(sources("a", "b", "c"), "average", method=each)) for each in OF_MANY),
        plan(merging(sources("a", "b"), "experts", data={"train": {"examples": 900}})),
        plan(merging([MISTRAL], "experts", models=[MISTRAL], data={"train": {"examples": 900}})),
        plan(merging(sources("a", "b"), "remove", method="ties")),
        plan(spec(evaluation=measured, models=small, overrides={"alpha": 16, "epochs": 2, "weight_decay": 0})),
    ]


@pytest.mark.parametrize("name", [*DRAWN, "merge-models"])
def test_an_executor_takes_the_parameters_that_the_plan_gives(name: str, plans: list[Plan]) -> None:
    model = params_of(name)
    if model is None:
        pytest.skip(f"the executor {name} is not here")
    steps = [step for document in plans for step in document.steps if step.executor == name]
    assert steps
    for step in steps:
        model.model_validate(step.params)


@pytest.mark.parametrize("name", DRAWN)
def test_no_parameter_is_left_to_a_default(name: str, plans: list[Plan]) -> None:
    model = params_of(name)
    if model is None:
        pytest.skip(f"the executor {name} is not here")
    for document in plans:
        for step in document.steps:
            if step.executor == name:
                names = {field.alias or name for name, field in model.model_fields.items()}
                if name == "train":
                    # What belongs to other methods and objectives is left out.
                    method, objective = str(step.params["method"]), str(step.params["objective"])
                    names -= set(ALL_OWN) - {*OWN[method], *LEARNING[objective]}
                assert names <= step.params.keys(), (step.address, names - step.params.keys())


# The model has no biases, so BitFit is vetoed; it is no mixture, which alone has a router.
@pytest.mark.parametrize("method", sorted(set(OWN) - {"bitfit", "router", "qat"}))
def test_every_method_that_is_here_can_be_planned(method: str) -> None:
    chosen = spec(evaluation={"metrics": ["label_accuracy"]}, overrides={"method": method, "approach": "finetune"})
    step = next(step for step in plan(chosen).steps if step.executor == "train")
    assert step.params["method"] == method
    assert step.outputs == (output_of(method),)
    model = params_of("train")
    assert model is not None
    model.model_validate(step.params)


def test_a_plan_names_the_version_of_the_executor_that_is_here(plans: list[Plan]) -> None:
    for document in plans:
        for step in document.steps:
            if params_of(step.executor) is not None:
                assert step.version == executor_registry().load(step.executor).version


@pytest.mark.parametrize("way", sorted(set(SPREAD) - {"single", "offload"}))
def test_every_way_of_spreading_can_be_planned(way: str) -> None:
    eight = {"devices": [{"name": "H100", "memory_gb": 80, "count": 8}]}
    chosen = {"distribution": way, "method": "lora", "approach": "finetune", "optimizer": "adamw"}
    drawn = plan(spec(hardware=eight, overrides=chosen))
    params = next(step for step in drawn.steps if step.executor == "train").params
    assert {name: params[name] for name in SPREAD[way] if name != "offload"} == {"devices": 8, "nodes": 1}
    model = params_of("train")
    assert model is not None
    model.model_validate(params)
