"""From a spec to a plan: the same bytes for the same input, the whole record, and what to do when nothing fits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from planner.documents import InputError, Spec, pretty_json, validate
from planner.planning import plan
from tests.planner.specs import DECLARED, EXPLORED, spec

if TYPE_CHECKING:
    from planner.documents import Plan

ROOT = Path(__file__).parents[2]
VOICE = ROOT / "plans" / "voice-commands" / "spec.json"


@pytest.fixture(scope="module")
def voice() -> Plan:
    return plan(VOICE)


def test_the_same_spec_gives_the_same_bytes() -> None:
    shuffled = {key: DECLARED[key] for key in reversed(DECLARED)}
    texts = {pretty_json(plan(values).to_json()) for values in (DECLARED, DECLARED, shuffled)}
    texts.add(pretty_json(plan(validate(Spec, DECLARED, code="SPEC")).to_json()))
    assert len(texts) == 1


def test_the_same_spec_gives_the_same_bytes_in_every_process() -> None:
    code = f"from planner.planning import plan; from planner.documents import pretty_json; import sys; sys.stdout.write(pretty_json(plan({str(VOICE)!r}).to_json()))"  # noqa: E501
    texts = set()
    for seed in ("0", "1", "4242"):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, check=True)
        document = json.loads(run.stdout)
        # Free disk changes while others work on this machine.
        document["hardware"]["disk_bytes"] = document["digest"] = None
        texts.add(json.dumps(document))
    assert len(texts) == 1


def test_a_spec_file_may_be_json_yaml_or_toml(tmp_path: Path) -> None:
    import yaml

    (tmp_path / "spec.json").write_text(json.dumps(DECLARED), encoding="utf-8")
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(DECLARED), encoding="utf-8")
    toml = '[task]\ndescription = "Sort"\n[[models]]\nid = "gpt2"\n[hardware]\n'
    toml += 'devices = [{name = "A100", memory_gb = 80}]\n'
    (tmp_path / "spec.toml").write_text(toml, encoding="utf-8")
    assert plan(tmp_path / "spec.json") == plan(tmp_path / "spec.yaml") == plan(DECLARED)
    assert plan(tmp_path / "spec.toml").spec.task.description == "Sort"


def test_the_plan_holds_the_whole_normalised_spec_and_what_was_filled() -> None:
    minimal = {"task": {"description": "Sort"}, "models": [{"id": "gpt2"}], "hardware": "a10g"}
    document = plan(minimal, folder=Path("somewhere"))
    assert document.name == "somewhere"
    assert document.spec.evaluation.metrics
    assert {item.pointer for item in document.filled} == {"/name", "/evaluation/metrics"}
    assert all(item.because for item in document.filled)
    assert document.hardware.source == "catalog"


def test_every_decision_has_a_reason_and_a_source() -> None:
    for decision in plan(DECLARED).decisions:
        assert decision.because, decision.question
        assert decision.cite or decision.question == "warnings", decision.question


def test_facts_are_recorded_with_their_unit_and_unknown_ones_with_why() -> None:
    document = plan(DECLARED)
    facts = {fact.name: fact for fact in document.facts}
    assert (facts["train_rows"].value, facts["train_rows"].unit) == (5000, "rows")
    assert all((fact.value is None) == (fact.unknown is not None) for fact in document.facts)
    assert "information_share: the spec tells no failures" in document.unknowns


def test_rule_books_are_named_with_their_digests(tmp_path: Path) -> None:
    book = 'book = "house"\nversion = "2"\n[threshold.systematic_prompts]\nvalue = 50\nunit = "prompts"\nwhy = "x"\n'
    (tmp_path / "house.toml").write_text(book + 'reason = "our prompts are short"\n', encoding="utf-8")
    document = plan(spec(rule_books=["house.toml"], attempts=EXPLORED), folder=tmp_path)
    assert next((book.name, book.version) for book in document.rule_books) == ("house", "2")
    assert all(book.digest.startswith("sha256:") for book in document.rule_books)
    decision = document.decision("approach")
    assert decision is not None
    assert decision.rule == "APP110", "with a threshold of 50, eighteen prompts are no search"


def test_a_rule_of_the_users_goes_before_the_cores(tmp_path: Path) -> None:
    rule = """book = "house"
version = "1"
[[rule]]
id = "HSE101"
name = "the house always retrieves"
decides = "approach"
answer = "rag"
when = { train_rows = "> 0" }
why = "It is policy."
cite = ["book:lora"]
since = "1"
examples = [{ given = { train_rows = 1 }, holds = true }, { given = { train_rows = 0 }, holds = false }]
"""
    (tmp_path / "house.toml").write_text(rule, encoding="utf-8")
    decision = plan(spec(rule_books=["house.toml"]), folder=tmp_path).decision("approach")
    assert decision is not None
    assert (decision.answer, decision.tier, decision.rule) == ("rag", "user", "HSE101")


BAD_PINS: dict[str, Any] = {
    "base_model": "gpt-9",
    "approach": "fly",
    "rank": 0,
    "micro_batch": "four",
    "learning_rate": "fast",
    "gradient_checkpointing": "yes",
    "rungs": "prompt",
    "methd": "lora",
    "max_length": 12.5,
}


@pytest.mark.parametrize("name", BAD_PINS)
def test_a_pin_that_cannot_stand_is_one_finding(name: str) -> None:
    with pytest.raises(InputError) as caught:
        plan(spec(overrides={name: BAD_PINS[name]}))
    [finding] = caught.value.findings
    assert finding.where.pointer == f"/overrides/{name}"
    assert finding.fix


def test_a_pin_against_what_cannot_work_is_refused_with_the_rule() -> None:
    hardware = {"devices": [{"name": "RTX 3090", "memory_gb": 24}]}
    with pytest.raises(InputError, match="pins method to `full`, but rule MET001 forbids it"):
        plan(spec(hardware=hardware, overrides={"method": "full"}))


def test_hardware_that_cannot_hold_the_smallest_candidate_gives_a_plan_that_says_what_would() -> None:
    hardware = {"devices": [{"name": "RTX 3070", "memory_gb": 8}]}
    models = [{"id": "meta-llama/Llama-3.1-70B-Instruct"}, {"id": "big", "params": 400_000_000_000}]
    document = plan(spec(hardware=hardware, models=models))
    assert document.status.applyable is False
    assert "meta-llama/Llama-3.1-70B-Instruct" in document.status.because
    assert "GB or more (it has" in document.status.needs[0]
    assert document.status.needs[1] == "or a smaller model"
    assert document.decisions
    approach = document.decision("approach")
    assert approach is not None
    assert any("least_training_share" in need for item in approach.rejected for need in item.needs)


def test_a_smaller_candidate_that_fits_is_taken() -> None:
    hardware = {"devices": [{"name": "RTX 3070", "memory_gb": 8}]}
    models = [{"id": "meta-llama/Llama-3.1-70B-Instruct"}, {"id": "gpt2"}]
    document = plan(spec(hardware=hardware, models=models))
    assert document.status.applyable
    base = document.decision("base_model")
    assert base is not None
    assert base.answer == "gpt2"


def test_the_voice_commands_climb_the_ladder(voice: Plan) -> None:
    rungs = [step.rung for step in voice.steps if step.rung]
    screened = [name for rung in ("zero-shot", "few-shot") for name in (f"{rung}, screened", rung)]
    assert rungs == [*screened, "finetune (lora)", "merged"]
    assert [step.address for step in voice.steps if step.executor == "diagnose"] == ["diagnose/prompting"]
    assert voice.status.applyable
    assert not voice.status.waits_for
    assert {"data/train", "data/validation", "data/test", "model/base"} <= voice.pins.keys()
    assert all(pin.digest for pin in voice.pins.values())
    assert voice.outputs == {
        "model": "merge/sft:model",
        "adapter": "train/sft:adapter",
        "prompt": "prompt/short:prompt",
    }


def test_paths_in_a_plan_are_those_of_the_spec(voice: Plan) -> None:
    assert str(ROOT) not in json.dumps(voice.to_json())


def test_the_budget_is_the_sum_of_the_steps() -> None:
    document = plan(DECLARED)
    assert document.budget is not None
    times = [step.resources.time for step in document.steps if step.resources.time]
    for end in ("low", "expected", "high"):
        assert getattr(document.budget.time, end) == pytest.approx(sum(getattr(time, end) for time in times), rel=0.01)
    assert document.budget.cost is not None
    assert document.budget.cost.unit == "USD"
