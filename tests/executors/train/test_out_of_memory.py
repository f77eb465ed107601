"""Memory that is really short: the ladder halves the micro-batch until the training fits, and tells of each change."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from adapt.render.training import trainings_told
from executors.attempt import AttemptFolder
from executors.ledger import read_ledger
from executors.places import LocalPlace
from executors.prompt.document import make_prompt, write_prompt
from executors.runner import run_plan
from executors.train import Train
from planner.documents import Input, Pin, Retry, Step
from tests.executors.plans import make_plan
from tests.executors.tiny import make_tiny_model, write_rows
from tests.executors.train.jobs import params_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from executors.places import Process
    from planner.documents import Event, Plan

LONGEST = 2000
# What a training of two rows at once needs beyond the libraries that are loaded, and one of eight does not get by with.
BEYOND_BYTES = 600 * 10**6
LOADED = """
import executors.train.work
import trl, bitsandbytes
print(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1])
"""


class SmallPlace(LocalPlace):
    """A place whose processes may hold so many bytes, by the system's own limit."""

    def __init__(self, folder: Path, data_bytes: int) -> None:
        super().__init__(folder)
        self._kib = data_bytes // 1024

    def submit(self, command: Sequence[str], tag: str, *, environment: Mapping[str, str], log: Path) -> Process:
        limited = ["sh", "-c", f'ulimit -d {self._kib}; exec "$@"', "sh", *command]
        return super().submit(limited, tag, environment=environment, log=log)


def ladder(batch: int, accumulation: int) -> tuple[Retry, ...]:
    found = []
    while batch > 1:
        batch, accumulation = batch // 2, accumulation * 2
        change: dict[str, Any] = {"micro_batch": batch, "accumulation": accumulation}
        found.append(Retry(on="oom", set=change, because="half the rows at once"))
    return tuple(found)


def long_plan(folder: Path) -> Plan:
    """A training on long rows, by attention that holds all its scores: memory goes with the micro-batch."""
    make_tiny_model(folder / "model", window=LONGEST)
    rows = [
        {"id": str(number), "prompt": f"say {number} " + "lamp " * 1500, "completion": "heater"} for number in range(8)
    ]
    write_rows(folder / "train.jsonl", rows)
    write_prompt(make_prompt("Answer."), folder / "prompt.json")
    params = params_of(
        micro_batch=8, accumulation=1, epochs=1.0, max_length=LONGEST, attention="eager", evaluations_per_epoch=0
    )
    step = Step(
        address="train/sft", title="Train", executor="train", version=Train.version,
        params=params, outputs=("adapter",),
        inputs={name: Input(pin=name) for name in ("model", "prompt", "train")}, retry=ladder(8, 1),
    )  # fmt: skip
    pins = {
        "model": Pin(kind="model", path="model"),
        "prompt": Pin(kind="file", path="prompt.json"),
        "train": Pin(kind="file", path="train.jsonl"),
    }
    return make_plan(step, pins=pins)


def loaded_bytes() -> int:
    """What a process holds that has loaded all that training needs, as the limit counts it."""
    said = subprocess.run([sys.executable, "-c", LOADED], capture_output=True, text=True, check=True).stdout
    return int(said.split()[-1]) * 1024


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the limit is Linux's")
def test_the_micro_batch_is_halved_until_real_memory_suffices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    events: list[Event] = []
    place = SmallPlace(tmp_path / "place", loaded_bytes() + BEYOND_BYTES)
    report = run_plan(long_plan(tmp_path), tmp_path, place=place, on_event=events.append)
    assert report.status == "done", report.because
    step = report.steps[0]
    assert step.attempt > 1
    assert int(str(step.params["micro_batch"])) < 8
    assert int(str(step.params["micro_batch"])) * int(str(step.params["accumulation"])) == 8
    halvings = [event for event in events if event.kind == "step-retried"]
    assert [event.data["class"] for event in halvings] == ["oom"] * (step.attempt - 1)
    assert [event.data["set"]["micro_batch"] for event in halvings] == [4, 2, 1][: step.attempt - 1]  # type: ignore[index,call-overload]
    # The result tells of it, the journal too, and the ledger has a row for what did not fit.
    retried = step.notes["retried"]
    assert isinstance(retried, list)
    assert [change["set"] for change in retried] == [event.data["set"] for event in halvings]  # type: ignore[index,call-overload]
    assert [change["was"]["micro_batch"] for change in retried] == [8, 4, 2][: len(retried)]  # type: ignore[index,call-overload]
    told = trainings_told(report.steps)
    again = "train/sft ran out of memory and was tried again with accumulation 1 -> 2, micro_batch 8 -> 4"
    assert told[0] == f"{again}: half the rows at once."
    assert told[len(retried)] == "train/sft took 8 rows a step all the same, as planned."
    rows, _ = read_ledger(tmp_path / "home" / "ledger.jsonl")
    assert [row.outcome for row in rows] == ["oom"] * (step.attempt - 1) + ["done"]
    batches = [row.setting["batch"] for row in rows if row.setting is not None]
    assert batches == [8, 4, 2, 1][: step.attempt]
    assert rows[-1].tokens_per_s
    assert rows[-1].rss_bytes == step.cost.peak_memory_bytes  # type: ignore[union-attr]


def test_an_error_of_the_device_is_out_of_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from executors.train.keeping import KeptTrainer
    from executors.worker import explain
    from tests.executors.train.jobs import make_job, perform

    def full(*_: Any, **__: Any) -> Any:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(KeptTrainer, "training_step", full)
    job = make_job(tmp_path, make_tiny_model(tmp_path / "model"))
    with pytest.raises(torch.cuda.OutOfMemoryError) as raised:
        perform(job)
    found = explain(raised.value, Train(), AttemptFolder(tmp_path, 1))
    assert found.cls == "oom"
    assert found.message == "The device's memory ran out when 2.00 GiB more were asked for."
