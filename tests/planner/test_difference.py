"""`planner.difference`: what changed between two plans, and because of which decision, pin or rule."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings

from planner.difference import Difference, difference
from planner.documents import validate
from planner.planning import plan
from tests.planner.random_specs import specs
from tests.planner.specs import EXPLORED, spec

if TYPE_CHECKING:
    from pathlib import Path

TRAINED = {"attempts": EXPLORED, "failures": {"style": 30}}


def compare(old: dict[str, Any], new: dict[str, Any]) -> Difference:
    found = difference(plan(old), plan(new))
    assert validate(Difference, json.loads(json.dumps(found.to_json())), code="DIFF") == found
    return found


def test_a_plan_does_not_differ_from_itself() -> None:
    found = compare(spec(), spec())
    assert not found.matters
    assert (found.given, found.decisions, found.steps, found.words) == ((), (), (), ())


def test_words_and_estimates_alone_do_not_matter() -> None:
    document = plan(spec())
    first, *others = document.decisions
    told = first.model_copy(update={"because": "it is said in other words"})
    found = difference(document, document.model_copy(update={"decisions": (told, *others), "risks": ("none",)}))
    assert not found.matters
    assert found.words == (f"decisions/{first.question}", "risks")


def test_free_disk_space_does_not_matter() -> None:
    document = plan(spec())
    hardware = document.hardware.model_copy(update={"disk_bytes": 1})
    found = difference(document, document.model_copy(update={"hardware": hardware}))
    assert not found.matters
    assert [change.pointer for change in found.given] == ["/disk_bytes"]


def test_another_approach_is_told_first_with_both_reasons_and_the_facts_that_changed() -> None:
    found = compare(spec(), spec(**TRAINED))
    assert found.summary[0] == "approach is finetune instead of prompt"
    first = found.decisions[0]
    assert first.question == "approach"
    assert first.old is not None
    assert first.new is not None
    assert (first.old.answer, first.new.answer) == ("prompt", "finetune")
    assert first.old.because != first.new.because
    changed = {fact.fact: (fact.old, fact.new) for fact in first.facts}
    assert changed["prompts_tried"] == (0, 18)
    assert {change.pointer for change in found.given} == {"/attempts/0", "/attempts/1", "/failures"}


def test_a_pin_is_the_cause_of_its_decision_and_the_decision_of_the_step() -> None:
    found = compare(spec(**TRAINED), spec(**TRAINED, overrides={"rank": 64}))
    rank = next(item for item in found.decisions if item.question == "rank")
    assert [(cause.kind, cause.name) for cause in rank.causes] == [("pin", "/overrides/rank")]
    step = next(item for item in found.steps if item.address == "train/sft")
    assert ("/params/rank", 64) in [(change.pointer, change.new) for change in step.changes]
    assert "rank" in [cause.name for cause in step.causes]
    back = compare(spec(**TRAINED, overrides={"rank": 64}), spec(**TRAINED))
    assert "no longer pins" in next(item for item in back.decisions if item.question == "rank").causes[0].text


def test_a_number_that_follows_from_another_decision_says_so() -> None:
    small = {"devices": [{"name": "RTX 4090", "memory_gb": 24}]}
    found = compare(spec(**TRAINED), spec(**TRAINED, hardware=small))
    changed = {item.question: item for item in found.decisions}
    assert [fact.through for fact in changed["accumulation"].facts] == [("micro_batch",)]
    assert all(item.causes for item in found.decisions), [item.question for item in found.decisions if not item.causes]


def test_a_rule_book_is_named_as_the_cause(tmp_path: Path) -> None:
    book = """
book = "house"
version = "1"

[[rule]]
id = "HSE101"
name = "we always start from rank 8"
decides = "rank"
answer = 8
when = { has_target = true }
why = "Our adapters are small."
cite = ["book:lora"]
examples = [{ given = { has_target = true }, holds = true }, { given = { has_target = false }, holds = false }]
"""
    (tmp_path / "house.toml").write_text(book, encoding="utf-8")
    with_book = plan(spec(**TRAINED, rule_books=["house.toml"]), folder=tmp_path)
    found = difference(plan(spec(**TRAINED), folder=tmp_path), with_book)
    parts = {(change.part, change.pointer) for change in found.given}
    assert {("rule book", "house"), ("rule", "HSE101")} <= parts
    rank = next(item for item in found.decisions if item.question == "rank")
    assert [(cause.kind, cause.name) for cause in rank.causes] == [("rule", "HSE101")]


def test_a_changed_threshold_is_told_by_the_rule_that_asks_for_it() -> None:
    document = plan(spec())
    first, *others = document.decisions
    traces = []
    for trace in first.trace:
        rows = tuple(tuple(cell.model_copy(update={"test": f"{cell.test}0"}) for cell in row) for row in trace.rows)
        traces.append(trace.model_copy(update={"rows": rows}) if trace.rule == first.rule else trace)
    changed = first.model_copy(update={"trace": tuple(traces), "answer": "something else"})
    found = difference(document, document.model_copy(update={"decisions": (changed, *others)}))
    assert [change.pointer for change in found.given if change.part == "rule"] == [first.rule]
    assert [cause.kind for cause in found.decisions[0].causes] == ["threshold"]


def test_steps_that_came_or_went_name_the_decision() -> None:
    found = compare(spec(**TRAINED), spec(**TRAINED, task__tenants=40))
    gone = {item.address: item for item in found.steps if item.change == "removed"}
    assert "merge/sft" in gone
    assert "serving" in [cause.name for cause in gone["merge/sft"].causes]


def test_another_content_of_a_file_is_the_cause_of_the_steps_that_read_it(tmp_path: Path) -> None:
    rows = [{"prompt": f"sort {number}", "completion": ["bug", "other"][number % 2]} for number in range(300)]

    def document(wanted: list[dict[str, str]]) -> Any:
        text = "".join(f"{json.dumps(row)}\n" for row in wanted)
        (tmp_path / "train.jsonl").write_text(text, encoding="utf-8")
        return plan(spec(**TRAINED, data__train="train.jsonl"), folder=tmp_path)

    old = document(rows)
    rows[7] = {"prompt": "sort 007", "completion": rows[7]["completion"]}
    found = difference(old, document(rows))
    assert "data/train/digest" in [change.pointer for change in found.given]
    causes = {cause.name for step in found.steps for cause in step.causes if cause.kind == "data"}
    assert causes == {"data/train"}


def test_a_plan_that_can_no_longer_be_run_says_so_first() -> None:
    big = [{"id": "meta-llama/Llama-3.1-70B-Instruct"}]
    small = {"devices": [{"name": "RTX 3070", "memory_gb": 8}]}
    found = compare(spec(models=big), spec(models=big, hardware=small))
    assert found.summary[0] == "it can no longer be run"
    assert found.status[0].new is False


def test_warnings_that_are_new_or_gone_are_listed() -> None:
    found = compare(spec(), spec(evaluation={}, data={"train": {"examples": 20}}))
    assert found.warnings_new
    again = compare(spec(evaluation={}, data={"train": {"examples": 20}}), spec())
    assert {item.code for item in again.warnings_gone} == {item.code for item in found.warnings_new}


@given(specs(), specs())
@settings(max_examples=15)
def test_any_two_plans_can_be_compared_and_every_change_has_a_cause(old: dict[str, Any], new: dict[str, Any]) -> None:
    found = compare(old, new)
    assert all(item.causes for item in found.decisions if item.old and item.new), [
        item for item in found.decisions if not item.causes
    ]
    assert all(item.causes for item in found.steps)
    assert found.matters == bool(
        found.decisions
        or found.steps
        or found.status
        or found.warnings_new
        or found.warnings_gone
        or any(change.matters for change in found.given)
    )
