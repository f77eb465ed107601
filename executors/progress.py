"""Telling how far a step is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from planner.documents import Event

if TYPE_CHECKING:
    from executors.contract import Job


def say(job: Job, message: str) -> None:
    """Tell people a sentence at once."""
    job.report(Event(kind="log", time=time.time(), step=job.address, message=message))


def tell(job: Job, message: str, done: float, total: float, unit: str = "parts", **facts: Any) -> None:
    """Report `done` of `total` units, with what is being done now and further fields of `Event`."""
    job.report(
        Event(
            kind="progress",
            time=time.time(),
            step=job.address,
            message=message,
            done=float(done),
            total=float(total),
            unit=unit,
            **facts,
        )
    )
