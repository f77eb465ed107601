"""What a run says while it goes on, and what a step leaves when it is done."""

from __future__ import annotations

from typing import Literal

from planner.documents.base import JsonValue, ReadAhead

EventKind = Literal[
    "run-started",
    "step-started",
    "step-adopted",
    "step-cached",
    "step-skipped",
    "step-done",
    "step-failed",
    "step-retried",
    "gate",
    "progress",
    "log",
    "run-stopped",
    "run-done",
]
ErrorClass = Literal["oom", "nan", "data", "config", "infrastructure", "preempted", "bug"]


class Event(ReadAhead):
    """One line of the journal, or of a step's progress."""

    kind: EventKind
    time: float
    """Seconds since 1970-01-01 UTC."""
    step: str | None = None
    attempt: int | None = None
    message: str = ""
    done: float | None = None
    """Units of work done, of `total`."""
    total: float | None = None
    unit: str = ""
    remaining_s: float | None = None
    loss: float | None = None
    tokens_per_s: float | None = None
    peak_memory_bytes: int | None = None
    data: dict[str, JsonValue] = {}


class Measurement(ReadAhead):
    """A measured metric with its 95% confidence interval."""

    value: float
    low: float | None = None
    high: float | None = None
    n: int | None = None
    """Cases that it rests on."""
    interval: str = ""
    """How the interval was made, such as `wilson` or `bootstrap`."""


class Artifact(ReadAhead):
    """Something a step left, addressed by its content."""

    digest: str
    bytes: int
    kind: str
    """model, adapter, prompt, predictions, report, ..."""


class Cost(ReadAhead):
    """What a step used."""

    wall_s: float
    cpu_s: float
    peak_memory_bytes: int
    """Highest resident memory of the step's process, in bytes."""
    device_peak_bytes: int | None = None
    tokens: int | None = None


class StepError(ReadAhead):
    """Why a step failed, in a class that the retry ladder knows."""

    cls: ErrorClass
    message: str
    fix: str = ""


class StepResult(ReadAhead):
    """`result.json`: its presence says that the attempt ended; renamed into place last."""

    format: Literal["adapt.result/1"] = "adapt.result/1"
    address: str
    executor: str
    version: str
    attempt: int
    action_key: str
    """Digest of executor, version, parameters and input contents."""
    status: Literal["done", "failed"]
    metrics: dict[str, Measurement] = {}
    artifacts: dict[str, Artifact] = {}
    notes: dict[str, JsonValue] = {}
    """Facts for the report, such as effective dtype or counts of truncated rows."""
    params: dict[str, JsonValue] = {}
    """Parameters as they took effect, after retries."""
    cost: Cost
    error: StepError | None = None
