"""Merges that make a larger model: stacks that are trained on, and mixtures whose router is trained."""

from __future__ import annotations

import pytest

from planner.ladder.merge_numbers import stacked
from tests.planner.specs_after_training import MISTRAL, merged, sources


def test_solar_stacks_the_first_24_and_the_last_24_layers_and_trains_on() -> None:
    document = merged([MISTRAL], "upscale", models=[MISTRAL], data={"documents": {"examples": 9000}})
    step = document.step("merge/models")
    assert step.params["slices"] == [{"source": 0, "layers": [0, 24]}, {"source": 0, "layers": [8, 32]}]
    assert step.params["layers"] == 48
    train = document.step("train/continued-pretraining")
    assert train.inputs["model"].step == "merge/models"
    assert [finding.code for finding in document.warnings if finding.code.startswith("MGW10")] == ["MGW105"]


def test_goliath_stacks_72_layers_of_each() -> None:
    base = "meta-llama/Llama-2-70b-hf"
    hardware = {"devices": [{"name": "H100", "memory_gb": 80, "count": 8}]}
    document = merged(sources("one", "two", base=base), "upscale", models=[{"id": base}], hardware=hardware)
    slices = document.step("merge/models").params["slices"]
    assert slices == [{"source": 0, "layers": [0, 72]}, {"source": 1, "layers": [8, 80]}]


@pytest.mark.parametrize(
    ("copies", "layers", "total", "expected"),
    [
        (2, 32, 48, [(0, 24), (8, 32)]),
        (2, 32, 64, [(0, 32), (0, 32)]),
        (2, 80, 144, [(0, 72), (8, 80)]),
        (2, 31, 45, [(0, 23), (9, 31)]),
        (3, 32, 72, [(0, 24), (4, 28), (8, 32)]),
    ],
)
def test_a_stack_begins_at_the_bottom_and_ends_at_the_top(
    copies: int, layers: int, total: int, expected: list[tuple[int, int]]
) -> None:
    found = stacked(copies, layers, total)
    assert found == expected
    assert sum(end - start for start, end in found) == total
    assert (found[0][0], found[-1][1]) == (0, layers)


def test_a_stack_without_data_says_so_and_waits_for_them() -> None:
    document = merged([MISTRAL], "upscale", models=[MISTRAL], data={})
    assert "MGW104" in {finding.code for finding in document.warnings}
    assert "data.train as a file" in document.status.waits_for


def test_experts_are_served_two_a_token_and_their_router_is_trained() -> None:
    document = merged(sources("a", "b", "c", "d"), "experts", data={"train": {"examples": 900}})
    step = document.step("merge/models")
    assert (step.params["experts"], step.params["experts_per_token"]) == (4, 2)
    decision = document.decision("merge_training")
    assert decision is not None
    assert decision.answer == "router"
    assert (train := document.step("train/router")).inputs["model"].step == "merge/models"
    assert (train.params["method"], train.outputs) == ("router", ("model",))
    assert document.step("evaluate/mixture").inputs["model"].step == "train/router"


def test_experts_that_name_their_requests_are_where_the_router_begins() -> None:
    experts = [{**source, "requests": [f"ask {source['id']}"]} for source in sources("a", "b")]
    step = merged(experts, "experts").step("merge/models")
    assert (step.params["router"], step.params["requests"]) == ("hidden", [["ask a"], ["ask b"]])
    assert merged(sources("a", "b"), "experts").step("merge/models").params["router"] == "uniform-random"


def test_copies_of_one_model_are_trained_whole_since_a_router_alone_changes_nothing() -> None:
    document = merged([MISTRAL], "experts", models=[MISTRAL], data={"train": {"examples": 900}})
    step = document.step("merge/models")
    assert (step.params["experts"], "base" in step.inputs) == (8, False)
    assert document.step("train/sft").inputs["model"].step == "merge/models"


def test_a_router_learns_from_raw_text_where_there_are_no_pairs() -> None:
    document = merged(sources("a", "b"), "experts", data={"documents": {"examples": 900}})
    params = document.step("train/router").params
    assert (params["objective"], params["method"], params["packing"]) == ("continued-pretraining", "router", True)


def test_a_mixture_too_large_to_train_is_told() -> None:
    data = {"train": {"examples": 900}}
    sixteen = merged(sources(*"abcdefghijklmnop"), "experts", data=data)
    assert "MGW153" in {finding.code for finding in sixteen.warnings}
    four = merged(sources(*"abcd"), "experts", data=data)
    assert "MGW153" not in {finding.code for finding in four.warnings}
