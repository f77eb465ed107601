"""The ledger: appended whole, read with tolerance, where the user says, and never in the way of a run."""

from __future__ import annotations

import json
import multiprocessing
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executors import ledger, worker
from executors.attempt import JobFile
from executors.ledger import LedgerRow, append, ledger_path, read_ledger, record, row_of
from planner.documents import Cost, Measurement, StepError, StepResult
from planner.memory import TrainingSetting, estimate_training, read_architecture

CONFIG = {
    "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536, "num_hidden_layers": 30,
    "num_attention_heads": 9, "num_key_value_heads": 3, "vocab_size": 49152, "tie_word_embeddings": True,
}  # fmt: skip
PARAMS: dict[str, Any] = {
    "method": "lora", "rank": 8, "targets": "all-linear", "dropout": 0.0, "micro_batch": 4, "max_length": 1024,
    "accumulation": 2, "optimizer": "adamw", "gradient_checkpointing": True, "attention": "sdpa",
    "precision": "bf16", "base_dtype": "bf16",
}  # fmt: skip
ROW = LedgerRow(
    time="2026-01-01T00:00:00Z", executor="train", version="1", device="NVIDIA A10G", rss_bytes=10**9, seconds=1.5
)


def finished(folder: Path, **fields: Any) -> tuple[JobFile, StepResult]:
    (folder / "config.json").write_text(json.dumps(CONFIG), encoding="utf-8")
    common: dict[str, Any] = {
        "address": "train/sft", "executor": "train", "version": "1", "attempt": 1, "action_key": "sha256:00",
    }  # fmt: skip
    job = JobFile(
        **common, tag="t", target="a:b", params=PARAMS, inputs={"model": str(folder)}, outputs=(),
        checkpoints="c", cache="k", store="s",
    )  # fmt: skip
    given: dict[str, Any] = {
        "status": "done",
        "params": PARAMS,
        "metrics": {
            "tokens_per_s": Measurement(value=250.0),
            "train_loss": Measurement(value=0.5),
            "validation_loss": Measurement(value=0.75),
        },
        "notes": {"longest_row_tokens": 300},
        "cost": Cost(wall_s=12.5, cpu_s=1.0, peak_memory_bytes=10**9, tokens=5000),
    }
    return job, StepResult(**common | given | fields)


def on_a_gpu(monkeypatch: pytest.MonkeyPatch, peak: int) -> None:
    cuda = SimpleNamespace(
        is_available=lambda: True,
        max_memory_allocated=lambda: peak,
        max_memory_reserved=lambda: peak + 1000,
        get_device_name=lambda: "NVIDIA A10G",
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))  # type: ignore[arg-type]


def test_a_step_on_a_processor_has_its_resident_memory_and_no_device_peak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    row = row_of(*finished(tmp_path), now=0)
    assert (row.device, row.allocated_bytes, row.reserved_bytes, row.rss_bytes) == ("cpu", None, None, 10**9)
    assert (row.time, row.seconds, row.tokens, row.tokens_per_s) == ("1970-01-01T00:00:00Z", 12.5, 5000, 250.0)
    assert row.loss == 0.75
    assert (row.model_type, row.parameters) == ("llama", 134_515_008)


def test_a_step_on_a_gpu_has_its_peak_beside_what_was_expected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    on_a_gpu(monkeypatch, 10**9)
    row = row_of(*finished(tmp_path), now=0)
    # The longest row that ran, not the longest that was allowed.
    setting = TrainingSetting(
        method="lora", rank=8, batch=4, sequence=300, accumulation=2, base_dtype="bf16", trainer="adapt"
    )
    expected = estimate_training(read_architecture(CONFIG), setting).allocated_bytes.expected
    assert (row.device, row.allocated_bytes, row.reserved_bytes) == ("NVIDIA A10G", 10**9, 10**9 + 1000)
    assert row.expected_bytes == expected
    assert row.setting == setting.model_dump(mode="json")


def test_only_finished_steps_that_train_or_evaluate_are_recorded(tmp_path: Path) -> None:
    before = len(read_ledger()[0])
    job, result = finished(tmp_path)
    record(job, result.model_copy(update={"status": "failed"}))
    record(job.model_copy(update={"executor": "merge"}), result)
    assert len(read_ledger()[0]) == before
    record(job, result)
    record(job.model_copy(update={"executor": "evaluate"}), result)
    assert len(read_ledger()[0]) == before + 2


@pytest.mark.parametrize("fault", ["no folder can be made", "odd params", "no config"])
def test_a_ledger_that_cannot_be_written_harms_no_run(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, result = finished(tmp_path)
    if fault == "no folder can be made":
        (tmp_path / "file").write_text("", encoding="utf-8")
        monkeypatch.setenv("ADAPT_HOME", str(tmp_path / "file" / "home"))
    if fault == "odd params":
        job = job.model_copy(update={"params": {"method": "telepathy", "rank": "x"}})
    if fault == "no config":
        (tmp_path / "config.json").unlink()
    record(job, result)


def test_the_worker_records_after_its_result_is_there() -> None:
    source = Path(str(worker.__file__)).read_text(encoding="utf-8")
    assert source.index("write_document(attempt.result_file") < source.index("record(job, result)")


def test_rows_come_back_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "ledger.jsonl"
    rows = [ROW.model_copy(update={"tokens": number}) for number in range(3)]
    for row in rows:
        append(path, row)
    assert read_ledger(path) == (rows, 0)
    assert read_ledger(tmp_path / "none") == ([], 0)


@pytest.mark.parametrize("torn", [b'{"time": "2026', b"\x00\x00\x00", b"\xff\xfe{", b"[]", b"null"])
def test_a_torn_line_costs_that_line_alone(torn: bytes, tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, ROW)
    with path.open("ab") as stream:
        stream.write(torn)
    assert read_ledger(path) == ([ROW], 1)
    append(path, ROW)
    assert read_ledger(path) == ([ROW, ROW], 1)


def _many(path: str, start: int) -> None:
    for number in range(start, start + 20):
        append(Path(path), ROW.model_copy(update={"tokens": number}))


def test_writers_in_several_processes_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_many, args=(str(path), 100 * number)) for number in range(3)]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    rows, skipped = read_ledger(path)
    assert skipped == 0
    assert sorted(row.tokens or 0 for row in rows) == sorted(100 * n + k for n in range(3) for k in range(20))


def test_the_environment_says_where_it_lies() -> None:
    assert ledger_path({"ADAPT_HOME": "/a", "XDG_DATA_HOME": "/b"}) == Path("/a/ledger.jsonl")
    assert ledger_path({"XDG_DATA_HOME": "/b"}) == Path("/b/adapt/ledger.jsonl")
    assert ledger_path({}) == Path.home() / ".local/share/adapt/ledger.jsonl"


def test_tests_never_write_to_the_real_ledger() -> None:
    assert Path.home() not in ledger_path().parents
    assert ledger_path().name == ledger.NAME


def test_a_step_that_ran_out_of_memory_has_a_row_of_its_own(tmp_path: Path) -> None:
    job, result = finished(tmp_path)
    row = row_of(
        job, result.model_copy(update={"status": "failed", "error": StepError(cls="oom", message="full")}), now=0
    )
    assert row.outcome == "oom"
    assert row.setting is not None
    assert row.setting["batch"] == 4


def test_what_is_shared_out_is_expected_of_each_device(tmp_path: Path) -> None:
    job, result = finished(tmp_path)
    alone = row_of(job, result, now=0)
    spread = {**PARAMS, "distribution": "fsdp", "devices": 4, "nodes": 1}
    shared = row_of(job.model_copy(update={"params": spread}), result, now=0)
    assert shared.setting is not None
    assert (shared.setting["sharding"], shared.setting["devices"]) == ("fsdp", 4)
    assert (shared.expected_bytes or 0) < (alone.expected_bytes or 0)
