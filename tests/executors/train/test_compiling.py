"""Layers are compiled by a backend that takes their graphs as they are, in which nothing has to be built."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import torch
from transformers import LlamaConfig

from executors.train import compiling
from planner.documents import InputError, RunError
from tests.executors.train.jobs import make_job, perform

if TYPE_CHECKING:
    from pathlib import Path

    from executors.contract import Job

pytestmark = pytest.mark.slow
TRIAL: dict[str, Any] = {
    "compile": "trial",
    "epochs": 1.0,
    "dropout": 0.1,
    "accumulation": 1,
    "evaluations_per_epoch": 2,
}


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial of any training, however short, without building anything."""
    changed = {"BACKEND": "eager", "LEAST_TIMES": 0, "REPEATS": 1, "USUAL_S": 0.0, "HOPED": {"cpu": 1e4}}
    for name, value in changed.items():
        monkeypatch.setattr(compiling, name, value)


@pytest.fixture
def always(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if compiled layers had paid; that they compute the same is looked at as ever."""
    judged = compiling._judged

    def in_favour(*figures: Any) -> compiling.Verdict:
        *_, apart, most = figures
        return replace(judged(*figures), compiled=apart <= most)

    monkeypatch.setattr(compiling, "_judged", in_favour)


def left(job: Job) -> bytes:
    return (job.out / "adapter" / "adapter_model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def plain(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What the same training leaves that tries nothing."""
    job = make_job(tmp_path_factory.mktemp("plain"), tiny_model, **TRIAL | {"compile": "off"})
    assert "compile" not in perform(job).notes
    return left(job)


@pytest.mark.parametrize(
    ("figures", "compiled", "said"),
    [
        ((1000, 1.0, 0.9, 60.0, 0.001, 0.05), True, "1000 passes spare 100 s, and compiling took 60 s"),
        ((500, 1.0, 0.9, 60.0, 0.001, 0.05), False, "500 passes spare 50 s, and compiling took 60 s"),
        ((1000, 1.0, 1.1, 60.0, 0.001, 0.05), False, "spare -100 s"),
        ((1000, 1.0, 0.5, 60.0, 0.06, 0.05), False, "other gradients: their norms are 6.0% apart"),
        ((1000, 1.0, 0.5, 60.0, float("nan"), 0.05), False, "other gradients"),
    ],
)
def test_compiled_layers_must_pay_and_compute_the_same(figures: tuple[Any, ...], compiled: bool, said: str) -> None:
    found = compiling._judged(*figures)
    assert found.compiled is compiled
    assert said in found.because


def test_a_trial_that_does_not_pay_leaves_no_trace(tiny_model: Path, tmp_path: Path, plain: bytes) -> None:
    job = make_job(tmp_path, tiny_model, **TRIAL)
    told = perform(job).notes["compile"]
    assert isinstance(told, dict)
    assert told["compiled"] is False
    assert "and compiling took" in str(told["because"]), told
    assert told.keys() == {"compiled", "because", "passes", "eager_s", "compiled_s", "compile_s"}
    assert left(job) == plain


@pytest.mark.usefixtures("always")
def test_a_compiled_training_that_is_cut_short_goes_on_to_the_same_bytes(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bytes
) -> None:
    first = make_job(tmp_path, tiny_model, **TRIAL)
    told = perform(first).notes["compile"]
    assert isinstance(told, dict)
    assert told["compiled"] is True
    # This backend computes what plain layers do.
    assert left(first) == plain
    newest = tmp_path / "checkpoints" / "checkpoint-8"
    (newest / "optimizer.pt").write_bytes(b"cut")
    again = make_job(tmp_path, tiny_model, **TRIAL)
    outcome = perform(again)
    assert outcome.notes["resumed_from"] == 4
    assert outcome.notes["compile"] == told
    assert left(again) == left(first)

    (newest / "optimizer.pt").write_bytes(b"cut")
    monkeypatch.setattr(compiling, "BACKEND", broken)
    with pytest.raises(RunError, match=r"before it was cut short\. Layers cannot be compiled here"):
        perform(make_job(tmp_path, tiny_model, **TRIAL))


def broken(*_: Any) -> Any:
    raise ValueError("no such chip\nand a long story")


def slow(graph: Any, _: Any) -> Any:
    time.sleep(0.6)
    return graph


@pytest.mark.parametrize(
    ("backend", "longest_s", "said"),
    [
        (broken, 600.0, "Layers cannot be compiled here: no such chip."),
        (slow, 0.55, "Compiling takes more than 1 s, the most that it could have spared."),
    ],
)
def test_what_cannot_be_compiled_in_time_is_trained_as_it_is(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    plain: bytes,
    backend: Any,
    longest_s: float,
    said: str,
) -> None:
    monkeypatch.setattr(compiling, "BACKEND", backend)
    monkeypatch.setattr(compiling, "LONGEST_S", longest_s)
    job = make_job(tmp_path, tiny_model, **TRIAL)
    told = perform(job).notes["compile"]
    assert isinstance(told, dict)
    assert (told["compiled"], told["because"]) == (False, said)
    assert left(job) == plain


def test_a_machine_without_a_compiler_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from torch._inductor import config

    class Layer(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = torch.nn.Linear(8, 8)

        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.gelu(self.inner(given))

    class Model(torch.nn.Module):
        config = LlamaConfig(num_hidden_layers=1)

        def __init__(self) -> None:
            super().__init__()
            self.layers = torch.nn.ModuleList([Layer()])

    model = Model()
    batches = [torch.ones(rows, 8) for rows in (5, 2, 3, 4)]
    passes = compiling.Passes(model, lambda batch: model.layers[0](batch).sum(), batches, "cpu")
    monkeypatch.setattr(compiling, "BACKEND", "inductor")
    with compiling.settings(), config.patch({"cpp.cxx": (None, "no-such-compiler"), "force_disable_caches": True}):
        compiling.decide(compiling.Layers(model), passes, 99, tmp_path, "fp32")
    assert "Layers cannot be compiled here: No working C++ compiler found" in str(compiling.notes(tmp_path)["because"])
    assert torch.isfinite(passes.go(batches[0])[1]).all()


def test_short_trainings_try_nothing(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bytes
) -> None:
    monkeypatch.setattr(compiling, "BACKEND", broken)
    monkeypatch.setattr(compiling, "USUAL_S", 1e9)
    job = make_job(tmp_path / "short", tiny_model, **TRIAL)
    assert "which is too short to compile for" in json.dumps(perform(job).notes["compile"])
    assert left(job) == plain


def test_few_passes_try_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "LEAST_TIMES", 10)
    model = torch.nn.Linear(1, 1)
    passes = compiling.Passes(model, broken, [None], "cpu")
    compiling.decide(compiling.Layers(model), passes, 99, tmp_path, "fp32")
    assert compiling.notes(tmp_path) == {
        "compiled": False, "passes": 99, "because": "The 99 passes are too few for a trial of 10.",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distribution": "ddp", "devices": 2, "nodes": 1}, "a trial of compile times one process, and ddp lets"),
        ({"gradient_checkpointing": True}, "layers that are recomputed are not compiled"),
    ],
)
def test_what_does_not_go_together_is_refused(
    tiny_model: Path, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises((InputError, ValueError), match=said):
        make_job(tmp_path, tiny_model, **TRIAL | changes)
