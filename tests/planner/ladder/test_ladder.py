"""The steps that follow from the decisions: ordered, gated, complete, and each for a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx
import pytest

from planner.documents import SCREEN, InputError, Plan
from planner.planning import plan
from planner.rules import core_book
from tests.planner.specs import DECLARED, EXPLORED, spec
from tests.planner.test_scenarios import OWN, SHARED, read

if TYPE_CHECKING:
    from planner.documents import Step

CASES = {
    case["id"]: case["spec"]
    for path in (OWN, SHARED)
    if path.is_file()
    for case in read(path)
    if not case.keys() & {"refused", "may_refuse"}
}
CASES |= {"declared": DECLARED}


@pytest.fixture(scope="module")
def plans() -> dict[str, Plan]:
    return {name: plan(values) for name, values in CASES.items()}


def test_every_step_comes_after_what_it_needs(plans: dict[str, Plan]) -> None:
    for name, document in plans.items():
        seen: set[str] = set()
        for step in document.steps:
            assert set(step.needs) <= seen, (name, step.address)
            seen.add(step.address)
        graph = networkx.DiGraph([(need, step.address) for step in document.steps for need in step.needs])
        assert networkx.is_directed_acyclic_graph(graph), name
        assert len(seen) == len(document.steps), name


def test_every_input_is_a_declared_output_of_an_earlier_step_or_a_pin(plans: dict[str, Plan]) -> None:
    for name, document in plans.items():
        outputs = {step.address: set(step.outputs) for step in document.steps}
        for step in document.steps:
            for label, source in step.inputs.items():
                assert (source.pin is None) != (source.step is None), (name, step.address, label)
                if source.step is not None:
                    assert source.output in outputs[source.step], (name, step.address, label)
                    assert source.step in step.needs
                else:
                    waits = document.status.waits_for or not document.status.applyable
                    assert source.pin in document.pins or waits, (name, source.pin)


def test_what_is_not_at_hand_is_waited_for_by_name(plans: dict[str, Plan]) -> None:
    document = plans["declared"]
    assert document.status.applyable
    assert (
        document.status.waits_for
        == (
            "data.test as a file",
            "data.train as a file",
            "data.validation as a file",
            "the files of the model meta-llama/Llama-3.1-8B-Instruct",
        )
        or "data.train as a file" in document.status.waits_for
    )


def is_later_rung(step: Step) -> bool:
    return step.executor in ("baselines", "prompt", "retrieve", "train", "diagnose") or step.rung is not None


def test_every_later_rung_is_gated_on_every_metric_of_every_earlier_one(plans: dict[str, Plan]) -> None:
    for name, document in plans.items():
        target = document.spec.evaluation.target
        measured: list[str] = []
        for step in document.steps:
            asked = {
                (gate.steps[0], gate.metric): gate.test
                for gate in step.gates
                if gate.when == "before" and gate.name.startswith("target not met by")
            }
            starts = {"baselines", "prompt-search", "retrieve", "train", "diagnose"}
            if step.executor in starts or (step.executor == "prompt" and step.address != "prompt/zero-shot"):
                wanted = {(rung, metric): f"< {goal:g}" for rung in measured for metric, goal in target.items()}
                assert asked == wanted, (name, step.address)
            for gate in step.gates:
                if gate.when == "before":
                    assert set(gate.steps) <= set(step.needs), (name, step.address)
            if (
                step.rung
                and step.executor in ("evaluate", "baselines")
                and not step.address.endswith(("merged", SCREEN))
            ):
                measured.append(step.address)


def test_a_gate_asks_one_missed_metric_of_each_rung() -> None:
    evaluation = {"metrics": ["accuracy", "macro_f1"], "target": {"accuracy": 0.9, "macro_f1": 0.8}}
    train = plan(spec(evaluation=evaluation)).step("train/sft")
    by_rung: dict[str, set[str]] = {}
    for gate in train.gates:
        if gate.name.startswith("target"):
            assert gate.bound == "low", "a rung that met the target by chance has not met it"
            by_rung.setdefault(gate.name, set()).add(gate.metric)
    rungs = ("baselines", "zero-shot", "few-shot")
    assert list(by_rung) == [f"target not met by evaluate/{rung}" for rung in rungs]
    assert all(metrics == {"accuracy", "macro_f1"} for metrics in by_rung.values())


def test_training_waits_for_a_diagnosis_and_for_missing_facts(plans: dict[str, Plan]) -> None:
    for name, document in plans.items():
        addresses = [step.address for step in document.steps]
        for step in document.steps:
            cheaper = document.decision("approach").answer in ("prompt", "few-shot", "rag")  # type: ignore[union-attr]
            if step.executor == "train" and cheaper:
                assert "diagnose/prompting" in addresses, name
                assert any(gate.metric == "information_share" for gate in step.gates), name


def addresses_of(**changes: Any) -> list[str]:
    return [step.address for step in plan(spec(**changes)).steps]


def test_the_whole_ladder_when_nothing_was_tried() -> None:
    documents = {"examples": 900}
    knowledge = {"private": True}
    found = addresses_of(data__documents=documents, task__knowledge=knowledge)
    assert found == [
        "evaluate/baselines",
        "prompt/zero-shot",
        "prepare/base",
        "evaluate/zero-shot-screen",
        "evaluate/zero-shot",
        "prompt/few-shot",
        "evaluate/few-shot-screen",
        "evaluate/few-shot",
        "retrieve/bm25",
        "evaluate/bm25-screen",
        "prompt/bm25",
        "evaluate/bm25",
        "retrieve/hybrid",
        "evaluate/hybrid-screen",
        "prompt/hybrid",
        "evaluate/hybrid",
        "diagnose/prompting",
        "prompt/short",
        "train/sft",
        "evaluate/sft",
        "merge/sft",
        "evaluate/merged",
        "equivalence/merged",
        "evaluate/data-need",
        "evaluate/probes-before",
        "evaluate/probes",
    ]
    retrieval = plan(spec(data__documents=documents, task__knowledge=knowledge)).decision("retrieval")
    assert retrieval is not None
    assert retrieval.answer == "bm25", "the decision and the steps say the same"


def test_rungs_that_were_tried_are_left_out() -> None:
    found = addresses_of(attempts=EXPLORED, failures={"behaviour": 30})
    assert not [address for address in found if "zero-shot" in address or "few-shot" in address]
    assert "train/sft" in found
    document = plan(spec(attempts=EXPLORED, failures={"behaviour": 30}))
    decision = document.decision("approach")
    assert decision is not None
    rejected = {item.answer: item for item in decision.rejected}
    assert any("few_shot_tried" in need for need in rejected["few-shot"].needs)
    assert rejected["prompt"].needs


def test_a_plan_with_a_target_met_has_no_steps_and_says_so() -> None:
    attempts = [{"approach": "prompt", "prompts_tried": 9, "metrics": {"accuracy": 0.95}}]
    document = plan(spec(attempts=attempts))
    assert not document.steps
    assert document.status.because == "the target is met already; there is nothing to do"


def test_no_other_answer_than_none_gives_an_empty_plan(plans: dict[str, Plan]) -> None:
    for name, document in plans.items():
        decision = document.decision("approach")
        assert decision is not None
        assert bool(document.steps) == (decision.answer != "none"), name


def test_every_step_follows_from_a_decision_of_the_plan(plans: dict[str, Plan]) -> None:
    for name, document in plans.items():
        answers = {decision.question: decision.answer for decision in document.decisions}
        for step in document.steps:
            assert step.reasons, (name, step.address)
            for reason in step.reasons:
                assert answers[reason.decision] == reason.answer
                assert reason.because
            assert step.title
            assert (
                step.resources.time is not None
                or not document.status.applyable
                or step.executor
                in (
                    "train",
                    "evaluate",
                    "prompt-search",
                    "diagnose",
                )
            )


def test_what_the_plan_leaves_is_an_output_of_a_step(plans: dict[str, Plan]) -> None:
    for document in plans.values():
        for place in document.outputs.values():
            address, _, output = place.rpartition(":")
            assert output in document.step(address).outputs


def test_the_retry_ladder_keeps_the_effective_batch() -> None:
    train = plan(spec(overrides={"micro_batch": 16, "accumulation": 2})).step("train/sft")
    batches = [
        (change.set["micro_batch"], change.set["accumulation"]) for change in train.retry if "micro_batch" in change.set
    ]
    assert batches == [(8, 4), (4, 8), (2, 16), (1, 32)]
    assert [change.set for change in train.retry if change.on == "infrastructure"] == [{}]
    last = train.retry[-1]
    recomputed = {"gradient_checkpointing": True, "compile": "off"}
    assert last.set == recomputed or train.params["gradient_checkpointing"] is True


def test_a_pin_reaches_the_step_and_its_reason() -> None:
    train = plan(spec(overrides={"rank": 64, "learning_rate": 1e-4, "schedule": "cosine"})).step("train/sft")
    assert (train.params["rank"], train.params["learning_rate"], train.params["schedule"]) == (64, 1e-4, "cosine")
    assert {"rank", "learning_rate", "schedule"} <= {reason.decision for reason in train.reasons}


def test_a_merge_is_checked_against_the_adapter_and_may_stop_the_run() -> None:
    document = plan(DECLARED)
    [gate] = document.step("evaluate/merged").gates
    assert (gate.when, gate.otherwise, gate.metric) == ("after", "stop", "token_agreement")
    assert document.step("evaluate/merged").inputs["reference"].step == "evaluate/sft"


def test_every_pinned_word_of_the_core_can_be_planned_or_is_refused_with_a_reason() -> None:
    for name, question in core_book().decisions.items():
        if isinstance(question.answers, str) or question.policy == "collect":
            continue
        for word in question.answers:
            try:
                document = plan(spec(overrides={name: word}))
            except InputError as error:
                assert [item.where.pointer for item in error.findings] == [f"/overrides/{name}"]
                continue
            decision = document.decision(name)
            assert decision is not None
            assert (decision.answer, decision.tier) == (word, "pin")
