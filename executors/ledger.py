"""The local ledger: what finished steps really took, one line each, for later estimates of the same kind of device.

It lies in the user's own folder (`$ADAPT_HOME`), not in a run's: measurements outlive runs. Plans never read it.
"""

from __future__ import annotations

import fcntl
import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError

from planner.documents import Document

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.attempt import JobFile
    from planner.documents import StepResult

NAME = "ledger.jsonl"
#: Executors whose steps are measured.
MEASURED = frozenset({"train", "evaluate"})
CPU = "cpu"
#: Objectives whose steps need other memory than that of supervised training, by the words of the memory math.
OWN_STEPS = frozenset({"preference", "classification-head"})


class LedgerRow(Document):
    """One step that finished, or that memory did not hold.

    Bytes, seconds and tokens are measured; None is what was not measured or not known.
    """

    time: str
    """When it ended, ISO 8601 in UTC."""
    executor: str
    version: str
    outcome: Literal["done", "oom"] = "done"
    """With `oom` the peaks are what was reached before memory ran out: the step needs more."""
    device: str
    """The device's name as its driver writes it; `cpu` where nothing ran on an accelerator."""
    allocated_bytes: int | None = None
    """Peak of live tensors on the device (`torch.cuda.max_memory_allocated`)."""
    reserved_bytes: int | None = None
    """Peak of what the allocator held (`torch.cuda.max_memory_reserved`)."""
    rss_bytes: int
    """Peak of the process in main memory: on a CPU interpreter and libraries are in it, so no estimate is compared."""
    seconds: float
    tokens: int | None = None
    tokens_per_s: float | None = None
    loss: float | None = None
    """What a training came to: the lowest of validation rows where there were some, else the last of training."""
    model_type: str | None = None
    parameters: int | None = None
    setting: dict[str, Any] | None = None
    """The fields of `TrainingSetting` that the step ran with."""
    expected_bytes: int | None = None
    """Allocated bytes that were expected for that setting, before any calibration."""


def ledger_path(environment: Mapping[str, str] | None = None) -> Path:
    """Where the ledger lies: `$ADAPT_HOME`, else `$XDG_DATA_HOME/adapt`, else `~/.local/share/adapt`."""
    known = os.environ if environment is None else environment
    if known.get("ADAPT_HOME"):
        return Path(known["ADAPT_HOME"]).expanduser() / NAME
    data = known.get("XDG_DATA_HOME")
    return (Path(data).expanduser() if data else Path.home() / ".local" / "share") / "adapt" / NAME


def record(job: JobFile, result: StepResult) -> None:
    """Append what a step took that finished or ran out of memory; whatever goes wrong, the step is not harmed."""
    measured = result.status == "done" or _is_out_of_memory(result)
    if not measured or job.executor not in MEASURED:
        return
    with suppress(Exception):
        append(ledger_path(), row_of(job, result, now=time.time()))


def append(path: Path, row: LedgerRow) -> None:
    """Write one line and wait for the disk; writers in other processes wait, a torn last line is closed first.

    Raises:
        OSError: the file cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        size = os.fstat(handle).st_size
        is_torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"
        line = row.model_dump_json(exclude_none=True).encode() + b"\n"
        os.write(handle, b"\n" + line if is_torn else line)
        os.fsync(handle)
    finally:
        os.close(handle)


def read_ledger(path: Path | None = None) -> tuple[list[LedgerRow], int]:
    """The rows, oldest first, and how many lines could not be read; no ledger has none.

    Raises:
        OSError: the file is there and cannot be read.
    """
    path = ledger_path() if path is None else path
    if not path.is_file():
        return [], 0
    rows, skipped = [], 0
    for line in path.read_bytes().splitlines():
        if not line.strip():
            continue
        try:
            rows.append(LedgerRow.model_validate_json(line))
        except ValidationError:
            skipped += 1
    return rows, skipped


def row_of(job: JobFile, result: StepResult, *, now: float) -> LedgerRow:
    """The ledger's line for a finished step.

    Args:
        job: what was asked for.
        result: what came of it.
        now: seconds since 1970.
    """
    device, allocated, reserved = _device()
    cost = result.cost
    setting = _setting(job.params, result.notes) if job.executor == "train" else None
    config = _config(job.inputs.get("model"))
    kind, parameters, expected = _expected(config, setting)
    return LedgerRow(
        time=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)),
        executor=job.executor,
        version=job.version,
        outcome="oom" if _is_out_of_memory(result) else "done",
        device=device,
        allocated_bytes=None if device == CPU else cost.device_peak_bytes or allocated,
        reserved_bytes=reserved,
        rss_bytes=cost.peak_memory_bytes,
        seconds=cost.wall_s,
        tokens=cost.tokens,
        tokens_per_s=_first(result, "tokens_per_s"),
        loss=_first(result, "validation_loss", "train_loss"),
        model_type=kind,
        parameters=parameters,
        setting=setting,
        expected_bytes=expected,
    )


def _first(result: StepResult, *metrics: str) -> float | None:
    """The first of these metrics that was measured."""
    return next((result.metrics[name].value for name in metrics if name in result.metrics), None)


def _is_out_of_memory(result: StepResult) -> bool:
    return result.error is not None and result.error.cls == "oom"


def _device() -> tuple[str, int | None, int | None]:
    """The accelerator that this process used, with its peaks in bytes; torch is asked only when it is loaded."""
    torch: Any = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.max_memory_allocated():
        return CPU, None, None
    return torch.cuda.get_device_name(), torch.cuda.max_memory_allocated(), torch.cuda.max_memory_reserved()


def _setting(params: Mapping[str, Any], notes: Mapping[str, Any]) -> dict[str, Any]:
    """The training parameters in the words of `TrainingSetting`; the longest batch that ran stands for its length."""
    # The memory math is loaded once something is to be recorded: every step pays for what the worker imports.
    from planner.memory import training_setting

    half = params.get("precision") != "fp32"
    targets = params.get("targets", "all-linear")
    objective = params.get("objective")
    fields: dict[str, Any] = {
        "trainer": "adapt",
        "objective": objective if objective in OWN_STEPS else "sft",
        "method": params.get("method", "lora"),
        "rank": params.get("rank"),
        "targets": targets if isinstance(targets, str) else tuple(targets),
        "dropout": params.get("dropout"),
        "batch": params.get("micro_batch"),
        "sequence": notes.get("longest_row_tokens") or params.get("max_length"),
        "accumulation": params.get("accumulation"),
        "optimizer": params.get("optimizer"),
        "checkpointing": params.get("gradient_checkpointing"),
        "attention": params.get("attention"),
        "precision": "amp" if half else "fp32",
        "base_dtype": "fp32" if params.get("base_dtype") == "fp32" else "bf16",
        "padding_mask": objective == "classification-head" and (params.get("micro_batch") or 1) > 1,
        "devices": params.get("devices"),
        "offload": params.get("offload"),
        # What waits on the host alone is no sharing.
        "sharding": "single" if params.get("distribution") == "offload" else params.get("distribution"),
    }
    setting = training_setting(**{name: value for name, value in fields.items() if value is not None})
    dumped: dict[str, Any] = setting.model_dump(mode="json")
    return dumped


def _config(model: str | None) -> dict[str, Any] | None:
    if model is None:
        return None
    try:
        config = json.loads((Path(model) / "config.json").read_bytes())
    except (OSError, ValueError):
        return None
    return config if isinstance(config, dict) else None


def _expected(
    config: dict[str, Any] | None, setting: dict[str, Any] | None
) -> tuple[str | None, int | None, int | None]:
    """Type and size of the model, and the allocated bytes that were expected of it."""
    from planner.memory import EstimateError, estimate_training, read_architecture, training_setting

    if config is None:
        return None, None, None
    try:
        architecture = read_architecture(config)
        kind, parameters = architecture.model_type or None, architecture.parameters
        if setting is None:
            return kind, parameters, None
        given = {name: tuple(value) if isinstance(value, list) else value for name, value in setting.items()}
        estimate = estimate_training(architecture, training_setting(**given))
    except EstimateError:
        return None, None, None
    return kind, parameters, int(estimate.allocated_bytes.expected)
