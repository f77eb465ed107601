"""Where the inputs of a plan's steps lie: pinned files, and what a run of the plan left beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from executors.pins import resolve_pins
from executors.state import STATE_FOLDER, State
from executors.status import read_status
from executors.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.report import RunReport
    from planner.documents import Artifact, Input, Plan


@dataclass(frozen=True)
class Sources:
    """A plan's files."""

    plan: Plan
    root: Path
    """Folder that the plan's paths start from."""
    state: State
    report: RunReport | None = None
    """The newest run of the plan; None where it was never run."""
    allow_paths: Sequence[Path] = ()

    def artifacts(self, address: str) -> Mapping[str, Artifact]:
        """What a step left, by the name of its output; empty where it was not done."""
        steps = () if self.report is None else self.report.steps
        return next((step.artifacts for step in steps if step.address == address), {})

    def output(self, address: str, name: str) -> Path | None:
        """The file or folder of a step's output; None where the step was not done, or its output was cleaned away."""
        found = self.artifacts(address).get(name)
        path = None if found is None else Store(self.state.store).path(found.digest)
        return path if path is not None and path.exists() else None

    def find(self, source: Input) -> Path | str | None:
        """Where an input lies: a path, `hub:ORGANISATION/NAME`, or None where a step has yet to make it.

        Raises:
            InputError: a pinned file is not there, has changed, or lies outside of the plan's folder.
        """
        if source.pin is not None:
            pins = {source.pin: self.plan.pins[source.pin]}
            location = resolve_pins(pins, self.root, self.allow_paths)[source.pin].location
            return location if location.startswith("hub:") else Path(location)
        return self.output(source.step, source.output) if source.step and source.output else None


def sources_of(plan: Plan, root: Path, allow_paths: Sequence[Path] = ()) -> Sources:
    """The files of a plan that lies in a folder, with its newest run where there is one."""
    state = State((root / STATE_FOLDER).absolute())
    reports = [standing.report for standing in read_status(state)] if state.runs.is_dir() else []
    report = next((report for report in reports if report.plan == plan.digest), None)
    return Sources(plan, root, state, report, tuple(allow_paths))
