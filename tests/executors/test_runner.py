from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from executors.runner import run_plan
from planner.documents import AdaptError, Gate, Input, InputError, Pin, Retry, Status, fingerprint
from tests.executors.fakes import REGISTRY, Write
from tests.executors.plans import fail_step, make_plan, save, write_step

if TYPE_CHECKING:
    from pathlib import Path

    from executors.report import RunReport
    from planner.documents import Event, Plan


def run(plan: Plan, folder: Path, **more: Any) -> RunReport:
    return run_plan(plan, folder, registry=REGISTRY, **more)


def statuses(report: RunReport) -> dict[str, str]:
    return {step.address: step.status for step in report.steps}


def text(report: RunReport, folder: Path, address: str) -> str:
    (step,) = (step for step in report.steps if step.address == address)
    return (folder / ".adapt/store/sha256" / step.artifacts["text"].digest.removeprefix("sha256:")).read_text()


def refused(plan: Plan, folder: Path, **more: Any) -> AdaptError:
    with pytest.raises(InputError) as caught:
        run(plan, folder, **more)
    assert not (folder / ".adapt").exists(), "nothing is written when the plan cannot run"
    return caught.value


def test_steps_run_in_order_and_hand_on_their_outputs(tmp_path: Path) -> None:
    plan = make_plan(write_step("b/last", ("a/first",)), write_step("a/first"), outputs={"best": "b/last:text"})
    report = run_plan(save(plan, tmp_path), registry=REGISTRY)
    assert (report.status, report.exit_code) == ("done", 0)
    assert text(report, tmp_path, "b/last") == "a/first\n1 units\nb/last\n1 units"
    assert (tmp_path / ".adapt" / report.outputs["best"]).read_text() == text(report, tmp_path, "b/last")
    assert report.cost.tokens == 2


def test_running_again_reuses_everything_and_says_so(tmp_path: Path) -> None:
    plan = make_plan(write_step("a/first"), write_step("b/last", ("a/first",)))
    first = run(plan, tmp_path)
    again = run(plan, tmp_path)
    assert statuses(again) == {"a/first": "cached", "b/last": "cached"}
    assert again.steps[0].reason == "unchanged, reused"
    assert [step.artifacts for step in again.steps] == [step.artifacts for step in first.steps]
    assert again.steps[0].seconds == first.steps[0].seconds


def test_another_plan_reuses_what_did_not_change(tmp_path: Path) -> None:
    run(make_plan(write_step("a/first"), write_step("b/last", ("a/first",))), tmp_path)
    changed = write_step("b/last", ("a/first",), params={"text": "other"})
    assert statuses(run(make_plan(write_step("a/first"), changed), tmp_path)) == {"a/first": "cached", "b/last": "done"}


def test_a_lost_artifact_is_made_again(tmp_path: Path) -> None:
    plan = make_plan(write_step("a/first"))
    report = run(plan, tmp_path)
    for item in (tmp_path / ".adapt/store/sha256").iterdir():
        item.unlink()
    again = run(plan, tmp_path)
    assert statuses(again) == {"a/first": "done"}
    assert again.steps[0].artifacts == report.steps[0].artifacts


def test_the_first_rung_that_meets_the_target_ends_the_ladder(tmp_path: Path) -> None:
    gate = Gate(name="target not met yet", when="before", metric="score", steps=("evaluate/zero",), test="< 0.8")
    for score, expected in ((0.9, "skipped"), (0.5, "done")):
        folder = tmp_path / expected
        folder.mkdir()
        zero = write_step("evaluate/zero", params={"metrics": {"score": score}}, rung="zero-shot")
        train = write_step("train/sft", gates=(gate,))
        tuned = write_step("evaluate/sft", ("train/sft",), params={"metrics": {"score": 0.95}}, rung="finetuned")
        after = write_step("report/all", needs=("evaluate/sft",), inputs={})
        report = run(make_plan(zero, train, tuned, after), folder)
        # `report/all` only comes after the skipped step, it reads nothing of it.
        assert statuses(report) == {
            "evaluate/zero": "done",
            "train/sft": expected,
            "evaluate/sft": expected,
            "report/all": "done",
        }
        assert report.reached == ("zero-shot" if score > 0.8 else None)
        assert report.rungs[0].met is (score > 0.8)
        assert report.rungs[0].decision.startswith("target met" if score > 0.8 else "below the target")
    skipped = run(make_plan(zero.model_copy(update={"params": {"metrics": {"score": 0.9}}}), train, tuned), folder)
    assert "score is 0.9" in skipped.steps[1].reason
    assert "train/sft, which was skipped" in skipped.steps[2].reason


def test_gates_of_one_name_are_alternatives_and_other_names_must_pass_too(tmp_path: Path) -> None:
    zero = write_step("evaluate/zero", params={"metrics": {"f1": 0.9, "valid": 0.5, "share": 0.7}}, rung="zero-shot")
    asked = [("target", "f1", "< 0.8"), ("target", "valid", "< 0.8"), ("diagnosed", "share", ">= 0.8")]
    gates = [
        Gate(name=name, when="before", metric=metric, steps=("evaluate/zero",), test=test)
        for name, metric, test in asked
    ]
    for number, expected in ((1, "skipped"), (2, "done"), (3, "skipped")):
        folder = tmp_path / str(number)
        folder.mkdir()
        report = run(make_plan(zero, write_step("train/sft", gates=tuple(gates[:number]))), folder)
        assert statuses(report)["train/sft"] == expected


def test_a_gate_after_a_step_stops_the_run(tmp_path: Path) -> None:
    gate = Gate(name="answers alike", when="after", metric="agreement", steps=("merge/sft",), test=">= 0.98")
    step = write_step("merge/sft", params={"metrics": {"agreement": 0.5}}, gates=(gate,))
    report = run(make_plan(step, write_step("z/next")), tmp_path)
    assert (report.status, report.exit_code) == ("stopped", 3)
    assert "agreement is 0.5" in report.because
    assert statuses(report) == {"merge/sft": "done", "z/next": "waiting"}


def test_a_failed_step_fails_the_run_in_one_sentence(tmp_path: Path) -> None:
    report = run(make_plan(fail_step("a/fails", params={}), write_step("b/next")), tmp_path)
    assert (report.status, report.exit_code) == ("failed", 1)
    assert report.because == "a/fails failed: ValueError: first line"
    assert statuses(report) == {"a/fails": "failed", "b/next": "waiting"}
    assert report.steps[0].log is not None
    assert "Traceback" in (tmp_path / ".adapt" / report.steps[0].log).read_text()


def test_out_of_memory_climbs_the_retry_ladder_and_is_remembered(tmp_path: Path) -> None:
    ladder = (
        Retry(on="infrastructure"),
        Retry(on="oom", set={"micro_batch": 2}),
        Retry(on="oom", set={"micro_batch": 1}),
    )
    step = fail_step("a/train", params={"micro_batch": 4, "fits": 1, "how": "memory"}, retry=ladder)
    events: list[Event] = []
    report = run(make_plan(step), tmp_path, on_event=events.append)
    assert statuses(report) == {"a/train": "done"}
    assert report.steps[0].attempt == 3
    assert report.steps[0].params["micro_batch"] == 1
    retried = [event for event in events if event.kind == "step-retried"]
    assert [event.data["set"] for event in retried] == [{"micro_batch": 2}, {"micro_batch": 1}]
    assert statuses(run(make_plan(step), tmp_path)) == {"a/train": "cached"}


def test_what_crashes_goes_on_from_its_checkpoint_where_the_plan_says_so(tmp_path: Path) -> None:
    step = write_step("a/train", params={"units": 6, "crash_at": 3}, retry=(Retry(on="infrastructure"),))
    events: list[Event] = []
    report = run(make_plan(step), tmp_path, on_event=events.append)
    assert statuses(report) == {"a/train": "done"}
    assert report.steps[0].notes["first_unit"] == 3
    (retried,) = (event for event in events if event.kind == "step-retried")
    assert retried.message == "The step's process was killed by signal 11 and left no result. Trying again."


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("exit", "The step's process ended with status 7 and left no result."),
        ("kill", "The step's process was killed by signal 9 and left no result."),
        ("no output", "The executor `fail` did not leave its output text."),
        ("nan", "The metric loss is nan, which is not a number to go on with."),
    ],
)
def test_a_worker_that_breaks_off_is_told_in_one_sentence(tmp_path: Path, how: str, message: str) -> None:
    report = run(make_plan(fail_step("a/fails", params={"how": how})), tmp_path)
    assert report.because == f"a/fails failed: {message}"


def test_all_problems_of_a_plan_are_told_at_once(tmp_path: Path) -> None:
    pins = {"data/test": Pin(kind="dataset", path="missing.jsonl")}
    wrong = write_step("a/one", params={"text": 5, "txet": "x"}, outputs=("text", "model"))
    error = refused(make_plan(wrong, write_step("b/two", inputs={"x": Input(pin="data/test")}), pins=pins), tmp_path)
    said = str(error)
    for part in ("missing.jsonl) is not there", "`text` is 5", "Did you mean `text`?", "leaves no output model"):
        assert part in said


def test_a_missing_executor_is_named_with_its_step(tmp_path: Path) -> None:
    said = str(refused(make_plan(write_step("a/one", executor="wirte")), tmp_path))
    assert "a/one cannot be run. There is no executor `wirte` here. Did you mean `write`?" in said


def test_a_library_that_is_not_installed_is_asked_for_before_anything_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Write, "libraries", ("no_such_library",))
    error = refused(make_plan(write_step("a/first")), tmp_path)
    assert "a/first needs no_such_library" in str(error)
    assert "pip install 'adapt-planner[run]'" in str(error)


def test_another_version_of_an_executor_is_refused(tmp_path: Path) -> None:
    said = str(refused(make_plan(write_step("a/one", version="2")), tmp_path))
    assert "version 2 of the executor `write`; here is version 1" in said


def test_a_plan_that_waits_for_data_says_which(tmp_path: Path) -> None:
    status = Status(applyable=True, because="once they are given", waits_for=("data.test as a file",))
    said = str(refused(make_plan(write_step("a/one"), status=status), tmp_path))
    assert "The plan waits for data.test as a file, which the spec does not name" in said


def test_a_plan_that_is_not_applyable_is_refused(tmp_path: Path) -> None:
    status = Status(applyable=False, because="nothing fits.", needs=("24 GB of memory",))
    assert "24 GB of memory" in str(refused(make_plan(write_step("a/one"), status=status), tmp_path))


def test_a_disk_that_is_too_small_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = {"low": 1.0, "expected": 1e18, "high": 1e19, "unit": "bytes"}
    step = write_step("a/one", resources={"disk": disk})
    assert "need about 1000000000.00 GB" in str(refused(make_plan(step), tmp_path))


def test_a_pin_is_an_input_and_its_content_is_in_the_key(tmp_path: Path) -> None:
    data = tmp_path / "data.txt"
    for content in ("one", "two"):
        data.write_text(content)
        pins = {"data/test": Pin(kind="dataset", path="data.txt", digest=fingerprint(data)[0])}
        step = write_step("a/one", inputs={"data": Input(pin="data/test")})
        report = run(make_plan(step, pins=pins), tmp_path)
        assert statuses(report) == {"a/one": "done"}
        assert text(report, tmp_path, "a/one").startswith(content)


def test_the_journal_tells_the_run(tmp_path: Path) -> None:
    report = run(make_plan(write_step("a/one")), tmp_path)
    lines = (tmp_path / ".adapt/runs" / report.run / "journal.jsonl").read_text().splitlines()
    kinds = [json.loads(line)["kind"] for line in lines]
    assert kinds == ["run-started", "step-started", "step-done", "run-done"]


def test_a_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".adapt").write_text("a file where the folder should be")
    with pytest.raises(InputError, match="cannot be written"):
        run(make_plan(write_step("a/one")), tmp_path)
