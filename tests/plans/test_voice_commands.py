"""The worked example: its data are what its README says, and its plan is the one that stands beside it."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

import adapt
from planner.documents import pretty_json

EXAMPLE = Path(__file__).parents[2] / "plans/voice-commands"
SPLITS = ("train", "validation", "test")


def rows(split: str) -> list[dict[str, str]]:
    return [json.loads(line) for line in (EXAMPLE / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("split", SPLITS)
def test_every_answer_validates_and_copies_its_values_from_the_request(split: str) -> None:
    validator = jsonschema.Draft202012Validator(json.loads((EXAMPLE / "schema.json").read_text(encoding="utf-8")))
    for row in rows(split):
        answer = json.loads(row["completion"])
        validator.validate(answer)
        assert row["completion"] == json.dumps(answer, separators=(",", ":"))
        for value in answer["slots"].values():
            assert value.lower() in row["prompt"].lower(), row["id"]


def test_no_request_stands_in_two_splits() -> None:
    seen = [row["prompt"].lower().strip(" .?!") for split in SPLITS for row in rows(split)]
    assert len(seen) == len(set(seen))


def test_most_values_of_the_test_set_are_never_seen_in_training() -> None:
    def values(split: str) -> list[tuple[str, str]]:
        answers = [json.loads(row["completion"])["slots"] for row in rows(split)]
        return [(name, value.lower()) for slots in answers for name, value in slots.items()]

    known = set(values("train"))
    held_out = [value for value in values("test") if value not in known]
    assert len(held_out) > 0.6 * len(values("test"))


def test_the_plan_is_the_one_that_stands_beside_it() -> None:
    """After a change of rules, `make goldens` writes it anew and the difference is reviewed."""
    spec = json.loads((EXAMPLE / "spec.json").read_text(encoding="utf-8")) | {"hardware": "l4"}
    plan = adapt.plan(spec, folder=EXAMPLE)
    assert pretty_json(plan.to_json()) == (EXAMPLE / "plan-on-l4.json").read_text(encoding="utf-8")


def test_the_plan_holds_the_ladder_behind_its_gates() -> None:
    plan = adapt.load(EXAMPLE / "plan-on-l4.json")
    screened = [name for rung in ("zero-shot", "few-shot") for name in (f"{rung}, screened", rung)]
    assert [step.rung for step in plan.steps if step.rung] == [*screened, "finetune (lora)", "merged"]
    gates = {gate.metric.removesuffix("_lenient") for gate in plan.step("train/sft").gates}
    # Below the target, not for missing facts, of behaviour or moved by an example at least in one of the scores.
    repairs = {f"repaired_by_{way}" for way in ("gold_passage", "nearest_examples", "constrained_decoding")}
    shares = {"behaviour_share", "information_share"}
    assert gates == {"slot_f1", "label_accuracy", "schema_valid", "json_exact", *shares, *repairs}
    assert not plan.spec.attempts
    assert plan.spec.failures is None


def test_every_decision_names_a_source() -> None:
    plan = adapt.load(EXAMPLE / "plan-on-l4.json")
    assert [decision.question for decision in plan.decisions if not decision.cite] == []
