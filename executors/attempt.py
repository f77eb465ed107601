"""The folder of one attempt at a step: what the worker is told, and what it leaves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from pydantic import ValidationError

from executors.files import write_atomic
from planner.documents import JsonValue, ReadAhead, StepResult, pretty_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

D = TypeVar("D", bound=ReadAhead)
_PREFIX = "attempt-"


class JobFile(ReadAhead):
    """`job.json`: everything that the worker needs to know."""

    format: Literal["adapt.job/1"] = "adapt.job/1"
    tag: str
    """The name under which the place finds the worker."""
    address: str
    attempt: int
    executor: str
    target: str
    """`module:attribute` of the executor, as the runner's registry has it."""
    version: str
    action_key: str
    params: dict[str, JsonValue]
    """Parameters as they take effect, after retries."""
    retries: tuple[int, ...] = ()
    """Entries of the step's retry ladder that are in `params`, in the order in which they were applied."""
    retried: tuple[dict[str, JsonValue], ...] = ()
    """The same entries in full: after which class of failure, what was set, what it was before, and why."""
    processes: int | None = None
    """How often the worker is started by `executors.launch`; None where it is started once and on its own."""
    inputs: dict[str, str]
    outputs: tuple[str, ...]
    checkpoints: str
    cache: str
    store: str

    @property
    def retries_told(self) -> dict[str, JsonValue]:
        """What the notes of a result say of retries; nothing where there were none."""
        return {"retried": list(self.retried)} if self.retried else {}


@dataclass(frozen=True)
class AttemptFolder:
    """The files of one attempt."""

    folder: Path
    number: int

    @classmethod
    def of(cls, step_folder: Path, number: int) -> AttemptFolder:
        """The folder of an attempt by its number, which counts from 1."""
        return cls(step_folder / f"{_PREFIX}{number}", number)

    @property
    def job_file(self) -> Path:
        """What the worker is told."""
        return self.folder / "job.json"

    @property
    def events(self) -> Path:
        """Progress, one event a line; not durable."""
        return self.folder / "events.jsonl"

    @property
    def log(self) -> Path:
        """Whatever the worker and its libraries printed, tracebacks too."""
        return self.folder / "log.txt"

    @property
    def out(self) -> Path:
        """Where the executor leaves its outputs, until they are moved into the store."""
        return self.folder / "out"

    @property
    def result_file(self) -> Path:
        """Its presence says that the attempt ended."""
        return self.folder / "result.json"

    def failure_file(self, rank: int) -> Path:
        """How one of several workers failed: its presence says that it was not stopped by another."""
        return self.folder / f"failure-{rank}.json"

    def job(self) -> JobFile | None:
        """What the worker was told; None when a kill came before it was written."""
        return read_document(JobFile, self.job_file)

    def result(self) -> StepResult | None:
        """How the attempt ended; None when it has not."""
        return read_document(StepResult, self.result_file)


def processes_of(params: Mapping[str, JsonValue]) -> int | None:
    """How many workers a step's parameters ask for; None for one that needs no launcher.

    `distribution` names a way of sharing work out, `devices` over how many; any executor may have them.
    """
    if params.get("distribution", "single") == "single":
        return None
    return int(str(params.get("devices") or 1))


def attempts(step_folder: Path) -> list[AttemptFolder]:
    """The attempts at a step, the oldest first."""
    found = [(int(item.name.removeprefix(_PREFIX)), item) for item in step_folder.glob(f"{_PREFIX}*")]
    return [AttemptFolder(folder, number) for number, folder in sorted(found)]


def new_attempt(step_folder: Path) -> AttemptFolder:
    """The next attempt's folder, not made yet."""
    number = max((attempt.number for attempt in attempts(step_folder)), default=0) + 1
    return AttemptFolder.of(step_folder, number)


def read_document(model: type[D], path: Path) -> D | None:
    """A document that the engine wrote; None when it is not there or not of a format that is known here."""
    try:
        return model.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def write_document(path: Path, document: ReadAhead) -> None:
    """Write a document so that it is there whole or not at all.

    Raises:
        RunError: the disk is full.
    """
    write_atomic(path, pretty_json(document.to_json()))
