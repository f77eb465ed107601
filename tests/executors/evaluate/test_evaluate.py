from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executors.contract import Job, Site
from executors.evaluate import Evaluate, EvaluateParams
from executors.prompt.document import make_prompt, write_prompt
from planner.documents import Input, InputError, Step
from tests.executors.tiny import TINY_SCHEMA, tiny_rows, write_rows

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import Event

SITE = Site(device="cpu", device_memory_bytes=8 * 10**9, cores=2, disk_free_bytes=10**9)


def params(**changed: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "metrics": ["label_accuracy", "json_valid", "json_exact", "slot_f1"],
        "schema": TINY_SCHEMA,
        "labels": None,
        "format": "json",
        "max_new_tokens": 8,
        "batch_size": 1,
        "dtype": "fp32",
        "limit": None,
        "seed": 0,
    }
    return given | changed


def job(folder: Path, model: Path, *, rows: int = 10, **changed: Any) -> tuple[Job, list[Event]]:
    out = folder / "out"
    out.mkdir(exist_ok=True)
    write_prompt(make_prompt("Do as asked."), folder / "prompt.json")
    inputs: dict[str, Path | str] = {
        "model": model,
        "prompt": folder / "prompt.json",
        "data": write_rows(folder / "test.jsonl", tiny_rows(rows)),
    }
    events: list[Event] = []
    settings = EvaluateParams.model_validate(params(**changed))
    return Job(
        "evaluate/zero-shot", settings, inputs, out, folder / "checkpoints", events.append, folder / "cache"
    ), events


def records(work: Job) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (work.out / "predictions").read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_every_case_is_answered_scored_and_kept_in_file_order(tmp_path: Path, tiny_model: Path) -> None:
    work, events = job(tmp_path, tiny_model)
    outcome = Evaluate().perform(work)
    found = records(work)
    assert [record["id"] for record in found] == [f"tiny-{number}" for number in range(10)]
    assert found[0]["expected"] == '{"intent":"on","slots":{"place":"kitchen","thing":"lamp"}}'
    assert found[0]["scores"]["json_exact"] is False
    assert {"label_accuracy", "schema_valid_lenient", "slot_f1"} <= set(outcome.metrics)
    assert [event.done for event in events] == [4, 8, 10]
    assert events[0].remaining_s is not None and events[-1].remaining_s == 0
    assert outcome.tokens == sum(record["tokens"] for record in found) > 0
    assert all(record["tokens_in"] > 10 and "seconds" not in record for record in found)
    latency, tokens = outcome.metrics["latency_s"], outcome.metrics["tokens_per_answer"]
    assert latency.low is not None and latency.high is not None and 0 < latency.low <= latency.value <= latency.high
    assert tokens.value == outcome.tokens / 10
    assert "failed_answers" not in outcome.metrics


@pytest.mark.slow
def test_a_killed_evaluation_goes_on_and_answers_nothing_twice(tmp_path: Path, tiny_model: Path) -> None:
    whole, _ = job(tmp_path, tiny_model)
    Evaluate().perform(whole)
    expected = (whole.out / "predictions").read_bytes()
    made = whole.checkpoints / "predictions.jsonl"
    made.unlink()

    class Killed(BaseException):
        pass

    def kill(event: Event) -> None:
        raise Killed

    work, _ = job(tmp_path, tiny_model)
    with pytest.raises(Killed):
        Evaluate().perform(Job(work.address, work.params, work.inputs, work.out, work.checkpoints, kill, work.cache))
    first = made.read_bytes()
    assert first.count(b"\n") == 4
    # The kill also cut a line that was being written.
    made.write_bytes(first + b'{"id": "tiny-')
    outcome = Evaluate().perform(work)
    assert outcome.notes["resumed"] == 4
    assert (work.out / "predictions").read_bytes() == expected
    kept = made.read_bytes()
    assert kept.startswith(first)
    ids = [json.loads(line)["id"] for line in kept.splitlines()]
    assert len(ids) == len(set(ids)) == 10
    again = Evaluate().perform(work)
    assert again.notes["resumed"] == 10
    assert made.read_bytes() == kept


@pytest.mark.slow
def test_a_limit_draws_the_same_cases_each_time_and_keeps_their_order(tmp_path: Path, tiny_model: Path) -> None:
    work, _ = job(tmp_path, tiny_model, limit=4)
    Evaluate().perform(work)
    numbers = [int(record["id"].removeprefix("tiny-")) for record in records(work)]
    assert len(numbers) == 4
    assert numbers == sorted(numbers)


@pytest.mark.slow
def test_what_a_screen_answered_is_not_asked_again(tmp_path: Path, tiny_model: Path) -> None:
    few, _ = job(tmp_path, tiny_model, limit=4)
    Evaluate().perform(few)
    screened = records(few)
    changed = [record | {"prediction": "as it was"} for record in screened]
    path = tmp_path / "screened"
    path.write_text("".join(json.dumps(record) + "\n" for record in changed), encoding="utf-8")
    (tmp_path / "whole").mkdir()
    whole, _ = job(tmp_path / "whole", tiny_model, limit=7)
    outcome = Evaluate().perform(replace(whole, inputs={**whole.inputs, "screened": path}))
    found = {record["id"]: record["prediction"] for record in records(whole)}
    ids = {record["id"] for record in screened}
    assert len(found) == 7
    assert ids < set(found), "a smaller draw is a part of every larger one"
    assert {key for key, text in found.items() if text == "as it was"} == ids
    assert outcome.notes["resumed"] == 4


@pytest.mark.slow
def test_agreement_compares_with_another_steps_answers(tmp_path: Path, tiny_model: Path) -> None:
    work, _ = job(tmp_path, tiny_model)
    Evaluate().perform(work)
    reference = (work.out / "predictions").rename(tmp_path / "reference.jsonl")
    both = Job(
        work.address,
        work.params,
        {**work.inputs, "reference": reference},
        work.out,
        work.checkpoints,
        work.report,
        work.cache,
    )
    metrics = Evaluate().perform(both).metrics
    assert metrics["agreement"].value == metrics["token_agreement"].value == 1.0


@pytest.mark.slow
def test_a_prompt_beyond_the_context_window_is_named(tmp_path: Path, tiny_model: Path) -> None:
    work, _ = job(tmp_path, tiny_model, max_new_tokens=510)
    with pytest.raises(InputError, match=r"row tiny-\d+ has \d+ tokens .* up to 510; the model reads 512"):
        Evaluate().perform(work)


def test_a_case_without_an_answer_is_named(tmp_path: Path) -> None:
    work, _ = job(tmp_path, tmp_path)
    write_rows(tmp_path / "test.jsonl", [{"id": "a", "prompt": "x"}])
    with pytest.raises(InputError, match="row a has no answer"):
        Evaluate().perform(work)


def test_metrics_that_lack_what_they_need_are_findings() -> None:
    asked = params(metrics=["label_accuracy", "agreement"], schema=None)
    step = Step(address="evaluate/sft", title="", executor="evaluate", version="1", params=asked)
    codes = [finding.code for finding in Evaluate().check(step, SITE)]
    assert codes == ["EVAL002"] * 3 + ["EVAL003", "EVAL004"]
    named = {name: Input(pin="x") for name in ("model", "prompt", "data", "reference")}
    good = step.model_copy(update={"params": asked | {"labels": ["a", "b"]}, "inputs": named})
    assert Evaluate().check(good, SITE) == []
