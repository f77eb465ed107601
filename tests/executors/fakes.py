"""Small executors that behave as real ones do, without a model; and a registry that holds them."""

from __future__ import annotations

import atexit
import json
import os
import signal
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from executors.contract import Job, Outcome, Params
from executors.registry import Registry
from planner.documents import Event, Finding, Measurement, Resources, Step

if TYPE_CHECKING:
    from executors.contract import Site
    from planner.documents import Environment
    from planner.documents.events import ErrorClass


class Fake:
    """What the fakes share."""

    version: ClassVar[str] = "1"

    def check(self, step: Step, site: Site) -> list[Finding]:
        return []

    def estimate(self, step: Step, site: Site) -> Resources:
        return Resources()

    def classify(self, error: BaseException) -> ErrorClass:
        return "bug"


class WriteParams(Params):
    text: str = ""
    units: int = 1
    """Pieces of work, each with a checkpoint."""
    unit_s: float = 0.0
    effects: str | None = None
    """File that gets a line for every piece of work that is done."""
    metrics: dict[str, float] = {}
    crash_at: int | None = None
    """Piece of work before which a process that began earlier is ended by a fault of memory."""
    crash_at_exit: bool = False
    """Whether the interpreter crashes when all is done, as native libraries may."""


class Write(Fake):
    """Leaves one file made of its inputs and its text, unit by unit."""

    name: ClassVar[str] = "write"
    params: ClassVar[type[Params]] = WriteParams
    libraries: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[dict[str, str]] = {"text": "file"}

    def perform(self, job: Job) -> Outcome:
        params: WriteParams = job.params
        if params.crash_at_exit:
            atexit.register(os.kill, os.getpid(), signal.SIGSEGV)
        newest = job.checkpoints / "done"
        first = int(newest.read_text()) if newest.exists() else 0
        for unit in range(first, params.units):
            time.sleep(params.unit_s)
            if first < unit == params.crash_at:
                os.kill(os.getpid(), signal.SIGSEGV)
            if params.effects is not None:
                with Path(params.effects).open("a") as stream:
                    stream.write(f"{job.address} {unit}\n")
            temporary = newest.with_name("next")
            temporary.write_text(str(unit + 1))
            temporary.replace(newest)
            job.report(Event(kind="progress", time=time.time(), done=unit + 1, total=params.units, unit="units"))
        read = [Path(path).read_text() for _, path in sorted(job.inputs.items())]
        (job.out / "text").write_text("\n".join([*read, params.text, f"{params.units} units"]))
        metrics = {name: Measurement(value=value) for name, value in params.metrics.items()}
        return Outcome(metrics=metrics, notes={"first_unit": first}, tokens=params.units)


class FailParams(Params):
    micro_batch: int = 1
    fits: int = 0
    """Largest micro-batch that works."""
    how: str = "bug"


class Fail(Fake):
    """Fails in a way of choice as long as the micro-batch is too large."""

    name: ClassVar[str] = "fail"
    params: ClassVar[type[Params]] = FailParams
    libraries: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[dict[str, str]] = {"text": "file"}

    def perform(self, job: Job) -> Outcome:
        params: FailParams = job.params
        if params.micro_batch > params.fits:
            if params.how == "memory":
                raise MemoryError
            if params.how == "exit":
                os._exit(7)
            if params.how == "kill":
                os.kill(os.getpid(), 9)
            if params.how == "nan":
                return Outcome(metrics={"loss": Measurement(value=float("nan"))})
            if params.how == "no output":
                return Outcome()
            message = "first line\nsecond line"
            raise ValueError(message)
        (job.out / "text").write_text("same")
        return Outcome()


class Where(Fake):
    """Tells which interpreter it runs in, and which modules are found there."""

    name: ClassVar[str] = "where"
    params: ClassVar[type[Params]] = Params
    libraries: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[dict[str, str]] = {"text": "file"}
    environments: ClassVar[tuple[Environment, ...]] = ()

    def perform(self, job: Job) -> Outcome:
        found = {name: find_spec(name) is not None for name in ("tiny_library", "executors", "click")}
        (job.out / "text").write_text(json.dumps({"python": sys.executable, "found": found}))
        return Outcome()


class Broken:
    """What a plugin's module may hold by mistake."""

    def __init__(self) -> None:
        message = "made wrong"
        raise TypeError(message)


REGISTRY = Registry(targets={"write": f"{__name__}:Write", "fail": f"{__name__}:Fail"})
