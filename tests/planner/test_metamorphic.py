"""Laws that hold for every spec: what a change of the spec may change in the plan, and what a plan always is."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import networkx
from hypothesis import assume, given
from hypothesis import strategies as st

from planner.documents import Plan, pretty_json, validate
from planner.planning import plan
from planner.survey.metrics import UNBOUNDED_METRICS
from tests.planner.random_specs import CHARACTERS, RELAXED, answer, gpus, specs

if TYPE_CHECKING:
    import random

    Values = dict[str, Any]

PROMPTING = {"none", "prompt", "few-shot"}
TRAINING = {"finetune", "rag+finetune"}


def vetoed(document: Plan, question: str) -> set[str]:
    """The answers that a rule forbids for this spec."""
    decision = document.decision(question)
    assert decision is not None
    forbidding = [trace for trace in decision.trace if trace.tier == "veto" and trace.verdict == "holds"]
    return {str(word) for trace in forbidding if isinstance(trace.answer, list) for word in trace.answer}


def trains(document: Plan) -> list[str]:
    return [step.address for step in document.steps if step.executor == "train"]


# What every plan is.


@given(specs())
@RELAXED
def test_every_spec_yields_a_plan_or_a_refusal_that_says_what_it_would_need(spec: Values) -> None:
    document = plan(spec)
    assert document.status.because
    if not document.status.applyable:
        assert document.status.needs, document.status
    validate(Plan, json.loads(pretty_json(document.to_json())), code="PLAN")


@given(specs())
@RELAXED
def test_two_plans_of_one_spec_are_the_same_bytes(spec: Values) -> None:
    one, two = (pretty_json(plan(copy.deepcopy(spec)).to_json()) for _ in range(2))
    assert one == two


@given(specs())
@RELAXED
def test_steps_form_a_graph_without_circles_and_read_only_what_stands_before_them(spec: Values) -> None:
    seen: set[str] = set()
    steps = plan(spec).steps
    for step in steps:
        assert step.address not in seen
        assert set(step.needs) <= seen, step.address
        for source in step.inputs.values():
            assert source.step is None or source.step in step.needs, (step.address, source)
        seen.add(step.address)
    graph = networkx.DiGraph([(need, step.address) for step in steps for need in step.needs])
    assert networkx.is_directed_acyclic_graph(graph)


@given(specs())
@RELAXED
def test_a_gate_looks_only_at_steps_that_ran_before(spec: Values) -> None:
    seen: set[str] = set()
    for step in plan(spec).steps:
        for gate in step.gates:
            known = seen if gate.when == "before" else seen | {step.address}
            assert set(gate.steps) <= known, (step.address, gate)
            assert gate.steps, step.address
            assert gate.because, step.address
        seen.add(step.address)


@given(specs())
@RELAXED
def test_what_is_not_known_is_listed_with_what_it_would_open(spec: Values) -> None:
    document = plan(spec)
    unknown = {fact.name for fact in document.facts if fact.unknown}
    assert unknown == {line.partition(":")[0] for line in document.unknowns}
    for decision in document.decisions:
        open_cells = {
            cell.fact
            for trace in decision.trace
            if trace.verdict == "unknown"
            for row in trace.rows
            for cell in row
            if cell.verdict == "unknown"
        }
        assert open_cells == {line.partition(":")[0] for line in decision.missing}, decision.question


@given(specs())
@RELAXED
def test_nothing_is_trained_where_nothing_can_be(spec: Values) -> None:
    document = plan(spec)
    rows = {role: source["examples"] for role, source in spec.get("data", {}).items() if source["examples"]}
    has_teacher = any(model.get("role") == "teacher" for model in spec["models"])
    if trains(document):
        assert answer(document, "method") is not None
        assert {"train", "preferences", "documents"} & set(rows) or has_teacher or "merge" in spec
    if answer(document, "approach") in TRAINING:
        assert trains(document) or not document.status.applyable


@given(specs())
@RELAXED
def test_what_changes_weights_is_measured_again(spec: Values) -> None:
    steps = plan(spec).steps
    graph = networkx.DiGraph([(need, step.address) for step in steps for need in step.needs])
    kinds = {step.address: step.executor for step in steps}
    for address, kind in kinds.items():
        if kind in ("train", "merge", "quantize"):
            later = networkx.descendants(graph, address) if address in graph else set()
            assert any(kinds[each] == "evaluate" for each in later), (address, list(kinds))


# What a change of the spec may change.


@given(specs(), st.sampled_from([2, 4, 10]), st.data())
@RELAXED
def test_more_memory_never_forbids_what_less_memory_allows(spec: Values, times: int, data: st.DataObject) -> None:
    spec["models"] = spec["models"][:1]
    spec["hardware"] = gpus(lambda options: data.draw(st.sampled_from(options)))
    richer = copy.deepcopy(spec)
    for device in richer["hardware"]["devices"]:
        device["memory_gb"] *= times
    richer["hardware"]["host_memory_gb"] *= times
    poor, rich = plan(spec), plan(richer)
    for question in ("method", "approach"):
        assert vetoed(rich, question) <= vetoed(poor, question), question
    # A larger method, which more memory allows, may need to be spread over more devices.
    if answer(rich, "method") == answer(poor, "method"):
        assert vetoed(rich, "distribution") <= vetoed(poor, "distribution")
    assert rich.status.applyable or not poor.status.applyable
    assert len(trains(rich)) >= len(trains(poor))


@given(specs(), st.sampled_from([2, 10, 1000]))
@RELAXED
def test_more_clean_data_never_moves_from_training_to_prompting(spec: Values, times: int) -> None:
    rows = spec.get("data", {}).get("train")
    assume(rows and rows["examples"])
    rows["quality"] = "curated"
    before = plan(spec)
    assume(answer(before, "approach") in TRAINING)
    rows["examples"] *= times
    after = plan(spec)
    # More rows take longer: hours that were enough for one candidate may leave another, with its own ladder.
    assume(answer(after, "base_model") == answer(before, "base_model"))
    assert answer(after, "approach") not in PROMPTING


@given(specs(), st.text(CHARACTERS, min_size=3, max_size=12))
@RELAXED
def test_names_change_nothing_but_names(spec: Values, word: str) -> None:
    # The last part of a model's name is in the addresses of its steps.
    names = {"first": f"x{word}1", "second": f"x{word}2", "house/one": f"x{word}/one", "house/two": f"x{word}/two"}
    names |= {"base-3b": f"x{word}5", **{f"skill-{index}": f"x{word}-6{index}" for index in range(3)}}
    names |= {f"part-{index}": f"x{word}-7{index}" for index in range(6)}
    there = json.loads(renamed(json.dumps(spec), names))
    back = {new: old for old, new in names.items()}
    assert without_digests(renamed(pretty_json(plan(there).to_json()), back)) == without_digests(
        pretty_json(plan(spec).to_json())
    )


def renamed(text: str, names: dict[str, str]) -> str:
    for old, new in sorted(names.items(), key=lambda item: -len(item[0])):
        text = text.replace(f'"{old}"', f'"{new}"').replace(f"{old}", new)
    return text


def without_digests(text: str) -> Any:
    """A plan as values, without what is computed from its names."""

    def clean(value: Any) -> Any:
        if isinstance(value, dict):
            kept = {name: item for name, item in value.items() if name not in ("digest", "recipe_key")}
            return {name: clean(item) for name, item in kept.items()}
        return [clean(item) for item in value] if isinstance(value, list) else value

    return clean(json.loads(text))


@given(specs(), st.randoms(use_true_random=False))
@RELAXED
def test_the_order_of_what_has_no_order_changes_nothing(spec: Values, generator: random.Random) -> None:
    # Models that differ in nothing but their names can only be told apart by their order.
    told = [
        json.dumps({**model, "id": ""}, sort_keys=True) for model in spec["models"] if model["id"].startswith("house/")
    ]
    assume(len(set(told)) == len(told))
    shuffled = turned(copy.deepcopy(spec))
    for listed in (shuffled["models"], shuffled["task"]["other_tasks"], shuffled["task"]["output"].get("labels", [])):
        generator.shuffle(listed)
    if "merge" not in spec:
        generator.shuffle(shuffled.get("attempts", []))
    one, two = plan(spec), plan(shuffled)
    for decision in one.decisions:
        assert in_any_order(answer(two, decision.question)) == in_any_order(decision.answer), decision.question
    assert [(step.address, step.needs, step.gates) for step in one.steps] == [
        (step.address, step.needs, step.gates) for step in two.steps
    ]
    assert (one.status.applyable, one.status.because) == (two.status.applyable, two.status.because)
    assert sorted(item.message for item in one.warnings) == sorted(item.message for item in two.warnings)


def turned(value: Any) -> Any:
    """The same value with the keys of every object in the opposite order."""
    if isinstance(value, dict):
        return {name: turned(value[name]) for name in reversed(value)}
    return [turned(item) for item in value] if isinstance(value, list) else value


def in_any_order(value: Any) -> Any:
    return sorted(map(str, value)) if isinstance(value, list | tuple) else value


@given(specs(), st.sampled_from(["prompt", "few-shot", "rag", "finetune"]))
@RELAXED
def test_an_attempt_that_met_the_target_ends_the_ladder(spec: Values, approach: str) -> None:
    spec.pop("merge", None)
    target = spec.get("evaluation", {}).get("target")
    assume(target)
    met = {name: value / 2 if name in UNBOUNDED_METRICS else value for name, value in target.items()}
    spec.setdefault("attempts", []).append({"approach": approach, "metrics": met})
    document = plan(spec)
    assert answer(document, "approach") == "none"
    assert document.steps == ()


@given(specs())
@RELAXED
def test_an_attempt_without_a_target_ends_nothing(spec: Values) -> None:
    spec.pop("merge", None)
    spec.get("evaluation", {}).pop("target", None)
    assert answer(plan(spec), "approach") != "none"
