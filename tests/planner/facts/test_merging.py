"""What is known of the sources of a merge: bases, kinds, shapes, layers, and the numbers that follow."""

from __future__ import annotations

from typing import Any

import pytest

from planner.documents import Spec, validate
from planner.facts import Board, Unknown
from planner.facts.merging import METHODS
from planner.rules import core_book
from planner.survey import normalise, survey
from tests.planner.facts.boards import THRESHOLDS, with_answers
from tests.planner.specs_after_training import MISTRAL, merging, sources

LLAMA_8B, LLAMA_3B = "meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.2-3B"


def board(found: list[dict[str, Any]], intent: str = "combine", **changes: Any) -> Board:
    from pathlib import Path

    document, _ = normalise(validate(Spec, merging(found, intent, **changes), code="SPEC"), Path())
    return Board({"spec": document, "survey": survey(document, Path()), "thresholds": THRESHOLDS})


def test_the_methods_that_a_spec_may_name_are_the_answers_of_the_decision() -> None:
    assert {*core_book().decisions["merge"].answers} - {"none"} == METHODS
    assert board(sources("a", "b"), method="ties").get("merge_method_known") is True
    assert board(sources("a", "b"), method="model_stock").get("merge_method_known") is False
    assert isinstance(board(sources("a", "b")).get("merge_method_known"), Unknown)


def test_bases_are_counted_and_unknown_while_one_is_not_named() -> None:
    assert board(sources("a", "b")).get("merge_bases") == 1
    assert board([*sources("a"), *sources("b", base="o7")]).get("merge_bases") == 2
    assert isinstance(board([{"id": "a"}, *sources("b")]).get("merge_bases"), Unknown)
    two = [{"id": "a"}, *sources("b"), *sources("c", base="o7")]
    assert board(two).get("merge_bases") == 2, "two that differ are two, whatever the third is"
    assert board([{"id": "a"}, *sources("b")]).get("bases_named") is False


def test_other_names_of_one_base_count_as_one() -> None:
    found = board([*sources("a", base="meta-llama/Llama-3.1-8B"), *sources("b", base="llama-3.1-8b")])
    assert found.get("merge_bases") == 1


def test_sources_of_one_base_have_its_shape_without_being_at_hand() -> None:
    assert board(sources("a", "b", base="nobody-knows")).get("merge_shapes") == 1
    unknown = board([*sources("a", base="nobody-knows"), *sources("b", base="nor-this")])
    assert isinstance(unknown.get("merge_shapes"), Unknown)


def test_shapes_are_told_apart_by_configuration_or_by_size() -> None:
    found = board([{"id": LLAMA_8B}, {"id": LLAMA_3B}])
    assert (found.get("merge_shapes"), found.get("merge_widths"), found.get("merge_vocabularies")) == (2, 2, 1)
    same = board([{"id": LLAMA_8B}, {"id": "meta-llama/Llama-3.1-8B-Instruct"}])
    assert (same.get("merge_shapes"), same.get("merge_vocabularies")) == (1, 1)
    sizes = [{"id": "x", "params": 3_000_000_000}, {"id": "y", "params": 7_000_000_000}]
    by_size = board([{"id": "x"}, {"id": "y"}], models=sizes)
    assert by_size.get("merge_shapes") == 2
    assert isinstance(by_size.get("merge_widths"), Unknown), "a size does not tell the width"
    near = [{"id": "x", "params": 6_700_000_000}, {"id": "y", "params": 7_000_000_000}]
    assert board([{"id": "x"}, {"id": "y"}], models=near).get("merge_shapes") == 1


def test_a_vocabulary_of_another_family_is_another_vocabulary() -> None:
    assert board([{"id": LLAMA_8B}, MISTRAL]).get("merge_vocabularies") == 2


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [(("adapter", "adapter"), "adapters"), (("model", "model"), "models"), (("adapter", "model"), "mixed")],
)
def test_adapters_and_models_are_told_apart(kinds: tuple[str, str], expected: str) -> None:
    found = [{"id": str(number), "base": "b7", "kind": kind} for number, kind in enumerate(kinds)]
    assert board(found).get("merge_kind") == expected


def test_what_nobody_said_to_be_an_adapter_may_be_one() -> None:
    assert isinstance(board(sources("a", "b")).get("merge_kind"), Unknown)


def test_the_ranks_of_concatenated_adapters_add_up() -> None:
    found = [*sources("a", kind="adapter", rank=16), *sources("b", kind="adapter", rank=8)]
    assert board(found).get("concatenated_rank") == 24
    assert isinstance(board([*found, *sources("c")]).get("concatenated_rank"), Unknown)


def test_solar_makes_48_layers_and_ten_billion_parameters_of_32_and_seven() -> None:
    found = board([MISTRAL], "upscale", models=[MISTRAL])
    with_answers(found, merge="depth-upscaling", base_model=MISTRAL["id"])
    assert (found.get("source_layers"), found.get("stacked_layers"), found.get("stack_factor")) == (32, 48, 1.5)
    assert found.get("merged_layers") == 48
    assert found.get("merged_parameters") == pytest.approx(10.7e9, rel=0.005)


def test_goliath_takes_72_of_80_layers_of_each_of_two() -> None:
    base = "meta-llama/Llama-2-70b-hf"
    found = board(sources("one", "two", base=base), "upscale", models=[{"id": base}])
    assert found.get("stacked_layers") == 144
    with_answers(found, merge="passthrough", base_model=base)
    assert 118e9 < found.get("merged_parameters") < 125e9


def test_experts_multiply_the_feed_forward_part_only() -> None:
    found = board(sources("a", "b", base=MISTRAL["id"]), "experts", models=[MISTRAL])
    with_answers(found, merge="moe", base_model=MISTRAL["id"])
    one = 7_241_732_096
    feed_forward = 32 * 3 * 4096 * 14336
    assert found.get("merged_parameters") == one + feed_forward


def test_a_mean_has_equal_shares_and_a_sum_ones_and_removal_minus_ones() -> None:
    assert with_answers(board(sources("a", "b", "c", "d")), merge="ties").get("merge_equal_weights") == [0.25] * 4
    assert with_answers(board(sources("a", "b")), merge="task-arithmetic").get("merge_equal_weights") == [1.0, 1.0]
    removed = with_answers(board(sources("a"), "remove"), merge="task-arithmetic")
    assert removed.get("merge_equal_weights") == [-1.0]


def test_a_source_named_twice_and_a_base_among_the_sources_are_seen() -> None:
    assert board(sources("a", "a", "b")).get("source_repeated") is True
    assert board(sources("a", "b")).get("source_repeated") is False
    assert board([{"id": "b7"}, *sources("a")]).get("base_among_sources") is True
    assert board(sources("a", "b")).get("base_among_sources") is False
