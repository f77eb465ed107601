"""What an executor is: the interface that built-in and third-party executors share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from planner.documents import Event, Finding, JsonValue, Measurement, Resources, Step
    from planner.documents.events import ErrorClass


class Params(BaseModel):
    """Base of every executor's parameters: frozen, explicit, unknown names refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True)


@dataclass(frozen=True)
class Site:
    """What the machine offers; enough for `check` and `estimate`, which must be instant and import nothing heavy."""

    device: str
    """`cpu`, `cuda`, `rocm`, `mps` or `xpu`."""
    device_memory_bytes: int
    """Usable memory of one device in bytes; main memory on a CPU."""
    cores: int
    disk_free_bytes: int
    devices: int = 1
    """Devices of that kind; on a CPU the cores, since each can have a process."""


@dataclass(frozen=True)
class Outcome:
    """What `perform` returns; artifacts are what it left under `job.out`, one file or folder an output name."""

    metrics: Mapping[str, Measurement] = field(default_factory=dict)
    notes: Mapping[str, JsonValue] = field(default_factory=dict)
    tokens: int | None = None
    device_peak_bytes: int | None = None


@dataclass(frozen=True)
class Job:
    """One attempt at a step, as the worker hands it to `perform`."""

    address: str
    params: Any
    """The executor's parameters, validated into its `params` model."""
    inputs: Mapping[str, Path | str]
    """Input name to a file or folder; to `hub:ORGANISATION/NAME` for what is on a hub."""
    out: Path
    """Empty folder; each declared output is written here under its name, such as `out/adapter`."""
    checkpoints: Path
    """Folder that survives kills and later attempts of the same action; resume from what verifies here."""
    report: Callable[[Event], None]
    """Tells progress; cheap, may be called often."""
    cache: Path
    """Folder that all steps of the state folder share: what is costly to make and named by its content."""


class Executor(Protocol):
    """Carries out one kind of step. Stateless; heavy imports belong inside `perform`.

    One whose steps may run in environments of their own has `environments`, a tuple of `planner.documents.Environment`.
    """

    name: ClassVar[str]
    version: ClassVar[str]
    """Raised whenever the same parameters would give another result."""
    params: ClassVar[type[Params]]
    libraries: ClassVar[tuple[str, ...]]
    """Modules that `perform` imports and that may not be installed; asked for before anything starts."""
    outputs: ClassVar[Mapping[str, str]]
    """Output name to kind of artifact, such as `{"adapter": "adapter"}`."""

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Problems that would make the step fail on this machine; pure and instant."""

    def estimate(self, step: Step, site: Site) -> Resources:
        """What the step will need; pure and instant."""

    def perform(self, job: Job) -> Outcome:
        """Do the work, in the worker's process.

        Raises:
            planner.documents.AdaptError: for what can be explained; anything else goes to `classify`.
        """

    def classify(self, error: BaseException) -> ErrorClass:
        """The class of an error, which decides whether and how the step is tried again."""
