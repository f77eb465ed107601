"""The next plan knows what a run tried and measured, however the run ended."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapt import load, next_spec, save
from adapt.from_run import spec_of_run
from executors.runner import run_plan
from planner.documents import InputError
from planner.planning import plan
from planner.relocating import relocated
from tests.adapt.ladder import TABLE, VARIABLE, registry

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from executors.report import RunReport
    from tests.adapt.commands import Said


@pytest.fixture
def spec(tmp_path: Path) -> dict[str, Any]:
    """A spec with its files in the test's own folder."""
    return made(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, RunReport]:
    """A plan whose run came to its end: read it, never change it."""
    folder = tmp_path_factory.mktemp("finished")
    path = saved(made(folder), folder)
    return path, carried_out(path)


def made(tmp_path: Path) -> dict[str, Any]:
    rows = [{"question": f"Who lives at {at}?", "answers": [f"Ann {at}"], "gold": f"d{at}"} for at in range(300)]
    for name, part in (("train", rows[:250]), ("test", rows[250:])):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    documents = [{"id": f"d{at}", "text": f"Ann {at} lives at {at}."} for at in range(300)]
    (tmp_path / "documents.jsonl").write_text("".join(json.dumps(row) + "\n" for row in documents))
    model = tmp_path / "model"
    model.mkdir()
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"intermediate_size": 128, "vocab_size": 400, "max_position_embeddings": 8192}
    (model / "config.json").write_text(json.dumps(config))
    return {
        "name": "people",
        "task": {"description": "Say who lives there.", "kind": "question-answering"},
        "data": {"train": "train.jsonl", "test": "test.jsonl", "documents": "documents.jsonl"},
        "models": [{"id": "tiny", "path": "model", "params": 2_000_000}],
        "hardware": {"devices": [{"name": "T4", "memory_gb": 16}]},
        "evaluation": {"metrics": ["token_f1"], "target": {"token_f1": 0.9}},
        "overrides": {"prompt_search": False},
    }


def saved(spec: dict[str, Any], folder: Path) -> Path:
    path = folder / "plan.json"
    save(plan(spec, folder=folder), path)
    return path


def carried_out(path: Path) -> RunReport:
    return run_plan(path, registry=registry())


def measure(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Let the fakes measure something else."""
    monkeypatch.setenv(VARIABLE, json.dumps(changes))


def test_a_finished_run_tells_every_rung_and_its_newest_diagnosis(finished: tuple[Path, RunReport]) -> None:
    path, report = finished
    assert report.status == "done", report.because
    known = spec_of_run(path)
    told = [(each.approach, each.retrieval, each.metrics["token_f1"]) for each in known.spec.attempts]
    assert told == [
        ("prompt", None, 0.1),
        ("few-shot", None, 0.3),
        ("rag", "bm25", 0.5),
        ("finetune", "bm25", 0.7),
    ], "the hybrid was skipped, the merged model repeats the finetuned one, and all rungs but that end at their screens"
    shown, trained = known.spec.attempts[1], known.spec.attempts[3]
    assert shown.examples == load(path).step("prompt/few-shot").params["examples"]
    assert "evaluate/few-shot" in {step.address for step in report.steps if step.status == "skipped"}
    assert (trained.method, trained.examples) == ("lora", 40)
    assert known.spec.attempts[2].metrics["recall_at_10"] == 0.95
    assert [each.pointer for each in known.filled] == ["/attempts", "/failures"]
    assert isinstance(known.spec.failures, str)
    assert json.loads((path.parent / known.spec.failures).read_text())["by_cause"] == TABLE["causes"]


def test_the_next_plan_decides_by_what_was_measured(finished: tuple[Path, RunReport]) -> None:
    first, _ = finished
    known = next_spec(first)
    following = plan(known.spec, folder=known.folder, known=known.filled)
    facts = {fact.name: fact.value for fact in following.facts}
    assert facts["behaviour_share"] == 0.9
    assert facts["rag_tried"] is True
    assert "/attempts" in {each.pointer for each in following.filled}
    before, after = load(first).decision("approach"), following.decision("approach")
    assert before is not None
    assert after is not None
    assert (before.answer, after.answer) != ("prompt", "prompt")
    rungs = following.decision("rungs")
    assert rungs is not None
    assert not {"prompt", "few-shot"} & {*rungs.answer}, "what was tried is not planned again"  # type: ignore[misc]


def test_baselines_that_met_the_target_are_known_to_the_next_plan(
    spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = ["on", "off"]
    for name in ("train", "test"):
        rows = [{"prompt": f"{labels[at % 2]} {name} {at}", "completion": labels[at % 2]} for at in range(60)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = {"description": "On or off", "kind": "classification", "output": {"format": "label", "labels": labels}}
    spec |= {"task": task, "data": {"train": "train.jsonl", "test": "test.jsonl"}}
    measure(monkeypatch, scores={"baselines": 0.95})
    path = saved(spec, tmp_path)
    assert carried_out(path).reached == "baselines"
    known = spec_of_run(path)
    assert [(each.approach, each.metrics["token_f1"]) for each in known.spec.attempts] == [("baselines", 0.95)]
    decision = plan(known.spec, folder=known.folder).decision("approach")
    assert decision is not None
    assert decision.answer == "none"


def test_a_run_that_failed_tells_what_it_measured_before(
    spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(monkeypatch, fails="train/sft")
    path = saved(spec, tmp_path)
    assert carried_out(path).status == "failed"
    known = spec_of_run(path)
    assert [each.approach for each in known.spec.attempts] == ["prompt", "few-shot", "rag"]
    assert known.spec.failures is not None
    assert "failed" in known.filled[0].because


def test_a_run_that_a_gate_stopped_leads_to_a_stronger_base(
    spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(monkeypatch, scores=dict.fromkeys(TABLE["scores"], 0.1), causes={"capability": 10})
    path = saved(spec, tmp_path)
    report = carried_out(path)
    assert report.status == "stopped"
    assert "something moves this model: no" in report.because
    assert "plan with a stronger base, such as" in report.because
    known = spec_of_run(path)
    following = plan(known.spec, folder=known.folder)
    escalation = following.decision("escalation")
    assert escalation is not None
    assert escalation.answer == "stronger-base"
    assert not [step for step in following.steps if step.executor == "train"]


def test_a_form_that_lost_too_much_stops_the_run_with_its_numbers_and_the_next_way(
    spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, adapt: Callable[..., Said]
) -> None:
    measure(monkeypatch, diverges={"gguf": 0.31})
    spec["overrides"] |= {"quantization": "gguf", "quantization_bits": 4, "variants": ["nf4"]}
    path = saved(spec, tmp_path)
    report = carried_out(path)
    assert report.status == "stopped"
    assert report.because == (
        "Stopped after equivalence/gguf: gguf diverges by 0.1 nats a token at most: no, kl_divergence is 0.31 "
        "(test: <= 0.1); the next cheaper way is to plan with `overrides.quantization_bits: 8`."
    )
    assert report.rungs[-1].decision == "not so: gguf diverges by 0.1 nats a token at most"
    assert [(each.form, each.step) for each in report.equivalence] == [
        ("measured", "evaluate/sft"),
        ("merged", "evaluate/merged"),
        ("nf4", "evaluate/nf4"),
        ("gguf", "evaluate/gguf"),
    ]
    told = adapt("report", path).out
    assert "Equivalence: each form held against what was measured" in told
    assert "+8.0 (+5.0 to +11.0)" in told
    known = spec_of_run(path)
    assert known.spec.attempts[-1].metrics == {"metric_loss": 0.08}


def test_the_run_is_found_by_plan_state_folder_or_run_folder(finished: tuple[Path, RunReport]) -> None:
    path, report = finished
    state = path.parent / ".adapt"
    found = [spec_of_run(each) for each in (path, state, state / "runs" / report.run, path.parent)]
    assert all(each == found[0] for each in found)


def test_paths_stay_right_wherever_the_plans_lie(
    spec: dict[str, Any], tmp_path: Path, adapt: Callable[..., Said]
) -> None:
    first = tmp_path / "plans" / "first"
    second = tmp_path / "second"
    first.mkdir(parents=True)
    second.mkdir()
    path = first / "plan.json"
    save(relocated(plan(spec, folder=tmp_path), tmp_path, first), path)
    run_plan(path, registry=registry(), allow_paths=[tmp_path])
    result = adapt("plan", "--from-run", path, "--out", second / "plan.json")
    assert result.code in (0, 3), result.err
    document = load(second / "plan.json")
    assert document.spec.data.train == "../train.jsonl"
    assert document.spec.models[0].path == "../model"
    assert (second / str(document.spec.failures)).is_file()
    assert all((second / pin.path).exists() for pin in document.pins.values() if ":" not in pin.path)


def test_a_plan_without_a_run_is_told(spec: dict[str, Any], tmp_path: Path) -> None:
    path = saved(spec, tmp_path)
    for run, said in (
        (path, "has not been run"),
        (tmp_path / "nothing.json", "is not there"),
        (tmp_path, "not been run"),
    ):
        with pytest.raises(InputError) as error:
            spec_of_run(run)
        assert said in str(error.value)


def test_a_run_that_measured_nothing_is_told(
    spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure(monkeypatch, fails="prompt/zero-shot")
    path = saved(spec, tmp_path)
    carried_out(path)
    with pytest.raises(InputError, match="has measured nothing yet"):
        spec_of_run(path)


def test_a_spec_or_a_run_and_not_both(adapt: Callable[..., Said]) -> None:
    for arguments in ((), ("spec.json", "--from-run", "plan.json")):
        result = adapt("plan", *arguments)
        assert result.code == 2
        assert "Name a spec, or a run with --from-run." in result.err
