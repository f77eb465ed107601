"""Facts are functions of what they name, computed once, and unknown when what they need is unknown."""

from __future__ import annotations

from typing import Any

import pytest

from planner.facts import FACTS, INPUTS, Board, Fact, Unknown, dependencies
from planner.facts import fact as register
from planner.rules import core_book


def entry(name: str, compute: Any, *needs: str, tolerates: frozenset[str] = frozenset()) -> Fact:
    return Fact(name, compute, needs, tolerates, "number", "", ())


def test_a_fact_is_computed_once_and_only_when_it_is_looked_at() -> None:
    seen: list[int] = []
    facts = {"a": entry("a", lambda: seen.append(1) or 3), "b": entry("b", lambda a: a + 1, "a")}
    found = Board({}, facts)
    assert not seen
    assert [found.get("b"), found.get("b"), found.get("a")] == [4, 4, 3]
    assert seen == [1]
    assert found.known() == {"a": 3, "b": 4}


def test_what_builds_on_an_unknown_is_unknown_for_the_same_reason() -> None:
    facts = {"a": entry("a", lambda: Unknown("nobody looked")), "b": entry("b", lambda a: a + 1, "a")}
    assert Board({}, facts).get("b") == Unknown("nobody looked")


def test_a_fact_may_tolerate_an_unknown() -> None:
    facts = {
        "a": entry("a", lambda: Unknown("nobody looked")),
        "b": entry("b", lambda a: isinstance(a, Unknown), "a", tolerates=frozenset({"a"})),
    }
    assert Board({}, facts).get("b") is True


def test_a_question_without_an_answer_is_unknown_to_facts() -> None:
    found = Board({}, {})
    found.answer("method", None)
    assert isinstance(found.get("method"), Unknown)


def test_a_name_that_is_nothing_is_an_error() -> None:
    with pytest.raises(KeyError):
        Board({}, {}).get("nothing")


def test_dependencies_go_down_to_inputs_and_decisions() -> None:
    found = dependencies(["lora_learning_rate"], FACTS)
    assert {"hidden_size", "optimizer_steps", "base_model", "effective_batch", "epochs", "survey"} <= found


def test_every_fact_reads_only_what_there_is() -> None:
    known = FACTS.keys() | INPUTS | core_book().decisions.keys()
    for fact in FACTS.values():
        assert set(fact.needs) <= known, fact.name


# Settings of other tools that are bare numbers, and sums of shares.
BARE = {"alpha", "warmup", "weight_decay", "beta2", "preference_beta", "validation_size", "merge_weight_sum"}


def test_every_fact_is_described_and_every_number_has_a_unit() -> None:
    import planner.review  # noqa: F401 - its facts are registered too

    for fact in FACTS.values():
        assert fact.doc.endswith("."), fact.name
        bare = fact.name.endswith("_rate") or fact.name.removeprefix("config_") in BARE
        assert (fact.kind == "number") == bool(fact.unit) or bare, fact.name


def test_two_facts_cannot_share_a_name() -> None:
    def train_rows() -> int:
        return 0

    with pytest.raises(ValueError, match="two facts are named train_rows"):
        register()(train_rows)
