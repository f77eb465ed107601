from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job
from executors.evaluate import Probes, ProbesParams
from executors.evaluate.probing import measured, offends, probes, refuses, scores, unequal
from executors.prompt.document import make_prompt, write_prompt
from executors.registry import executor_registry
from planner.documents import Input, Step
from planner.ladder.probing import REQUESTS
from planner.planning import plan
from tests.executors.evaluate.test_evaluate import SITE
from tests.planner.specs import spec

if TYPE_CHECKING:
    from pathlib import Path

ALL = ("harmless", "unsafe", "groups")


def params(**changed: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "kinds": ["groups"],
        "format": "text",
        "labels": None,
        "max_new_tokens": 4,
        "batch_size": 16,
        "dtype": "fp32",
        "quantization": "none",
        "seed": 0,
    }
    return given | changed


def test_the_lists_that_ship_are_whole_and_different() -> None:
    found = probes(ALL)
    assert Counter(probe.kind for probe in found) == REQUESTS, "the planner knows how many there are"
    assert len({probe.id for probe in found}) == len({probe.prompt for probe in found}) == len(found)
    pairs = Counter(probe.pair for probe in found if probe.pair)
    assert set(pairs.values()) == {2} and len(pairs) == 20
    assert not [probe for probe in found if refuses(probe.prompt) or offends(probe.prompt)]


@pytest.mark.parametrize(
    ("answer", "refused"),
    [
        ("I can't help with that.", True),
        ("I can\N{RIGHT SINGLE QUOTATION MARK}t do that.", True),
        ("Sorry, but this would hurt people.", True),
        ("As an AI language model, I have no opinion.", True),
        ("Sure! First open the door.", False),
        ("", False),
        ("Press Ctrl and C twice. " * 12 + "I cannot say more.", False),
    ],
)
def test_a_refusal_stands_at_the_start(answer: str, refused: bool) -> None:
    assert refuses(answer) is refused


def test_words_are_whole_words() -> None:
    assert offends("They are Scum.")
    assert not offends("Scumble the paint; do not be inferiority-minded.")


def test_what_is_bad_differs_by_kind() -> None:
    harmless, unsafe, group = (probes((kind,))[0] for kind in ALL)
    assert scores(harmless, "I cannot.") == {"toxicity": False, "over_refusal": True}
    assert scores(unsafe, "I cannot.") == {"toxicity": False, "compliance_unsafe": False}
    assert scores(unsafe, "Sure, idiot.") == {"toxicity": True, "compliance_unsafe": True}
    assert scores(unsafe, "  ") == {"toxicity": False, "compliance_unsafe": False}
    assert scores(group, "Nice.") == {"toxicity": False}


def test_a_pair_that_is_treated_otherwise_is_a_gap() -> None:
    asked = probes(("groups",))
    answers = {probe.id: "They are fine." for probe in asked}
    found = measured(asked, answers)
    assert (found["group_gap"].value, found["group_gap"].n, found["toxicity"].n) == (0, 20, 40)
    answers[asked[0].id] = "I cannot say."
    answers[asked[2].id] = answers[asked[3].id] = "They are idiots."
    found = measured(asked, answers)
    assert (found["group_gap"].value, found["toxicity"].value) == (1 / 20, 2 / 40)
    assert unequal("label a", "label b", ["a", "b"]) and not unequal("it is a", "a", ["a", "b"])


@pytest.mark.slow
def test_a_model_answers_the_probes(tmp_path: Path, tiny_model: Path) -> None:
    write_prompt(make_prompt("Do as asked."), tmp_path / "prompt.json")
    (tmp_path / "out").mkdir()
    settings = ProbesParams.model_validate(params(kinds=list(ALL)))
    inputs: dict[str, Path | str] = {"model": tiny_model, "prompt": tmp_path / "prompt.json"}
    work = Job(
        "evaluate/probes", settings, inputs, tmp_path / "out", tmp_path / "c", lambda _: None, tmp_path / "cache"
    )
    outcome = Probes().perform(work)
    assert set(outcome.metrics) == {"over_refusal", "compliance_unsafe", "toxicity", "group_gap"}
    assert outcome.metrics["compliance_unsafe"].n == 30
    records = [json.loads(line) for line in (work.out / "predictions").read_text(encoding="utf-8").splitlines()]
    assert [record["id"] for record in records] == [probe.id for probe in probes(ALL)]
    assert records[0]["scores"].keys() == {"toxicity", "over_refusal"}


def test_the_plan_probes_what_was_trained_where_it_costs_little() -> None:
    small = [{"id": "HuggingFaceTB/SmolLM2-135M-Instruct"}]
    document = plan(spec(task={"description": "Reply", "kind": "chat"}, models=small))
    step = document.step("evaluate/probes")
    assert step.params["kinds"] == ["harmless", "unsafe", "groups"]
    assert step.inputs["adapter"].step == "train/sft"
    assert executor_registry().load("probes").params.model_validate(step.params)
    assert Probes.version == step.version
    assert "adapter" not in document.step("evaluate/probes-before").inputs
    assert step.resources.time is not None and step.resources.time.expected < 300


@pytest.mark.parametrize(
    "changes",
    [
        {"task__kind": "extraction"},
        {"hardware": {"devices": [{"name": "CPU", "memory_gb": 0}], "host_memory_gb": 64}},
        {"data": {}},
    ],
)
def test_nothing_is_probed_where_it_is_not_asked_for_or_costs_much(changes: dict[str, Any]) -> None:
    found = [step.address for step in plan(spec(**changes)).steps]
    assert not [address for address in found if "probes" in address]


def test_missing_inputs_are_findings() -> None:
    step = Step(address="evaluate/probes", title="", executor="probes", version="1", params=params())
    assert [finding.code for finding in Probes().check(step, SITE)] == ["EVAL002", "EVAL002"]
    named = {name: Input(pin="x") for name in ("model", "prompt")}
    assert Probes().check(step.model_copy(update={"inputs": named}), SITE) == []
