"""Where everything lies in the state folder `.adapt`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

STATE_FOLDER = ".adapt"
_RUN_ID_DIGITS = 12


@dataclass(frozen=True)
class State:
    """The state folder of the plans that lie beside it."""

    folder: Path

    @property
    def lock(self) -> Path:
        """The file whose lock a runner holds."""
        return self.folder / "lock"

    @property
    def store(self) -> Path:
        """Artifacts by content."""
        return self.folder / "store"

    @property
    def places(self) -> Path:
        """What places remember of the processes they started."""
        return self.folder / "places"

    @property
    def runs(self) -> Path:
        """One folder a run."""
        return self.folder / "runs"

    @property
    def cache(self) -> Path:
        """What is costly to make and named by its content; it may be deleted."""
        return self.folder / "cache"

    @property
    def packages(self) -> Path:
        """Links to adapt's own packages, for workers in other environments."""
        return self.folder / "packages"

    def action(self, key: str) -> Path:
        """The result of an action that is done."""
        return self.folder / "actions" / f"{_hex(key)}.json"

    def checkpoints(self, key: str) -> Path:
        """Checkpoints of an action; they outlive attempts and runs."""
        return self.folder / "checkpoints" / _hex(key)

    def run(self, plan_digest: str) -> RunFolder:
        """The folder of a plan's run: the same plan has the same run."""
        return RunFolder(self.runs / _hex(plan_digest)[:_RUN_ID_DIGITS])

    def all_runs(self) -> list[RunFolder]:
        """The folders of all runs, sorted."""
        return [RunFolder(item) for item in sorted(self.runs.glob("*")) if item.is_dir()]


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run."""

    folder: Path

    @property
    def id(self) -> str:
        """The run's id, from the plan's digest."""
        return self.folder.name

    @property
    def plan(self) -> Path:
        """The plan as it was run."""
        return self.folder / "plan.json"

    @property
    def journal(self) -> Path:
        """What happened, one event a line."""
        return self.folder / "journal.jsonl"

    def step(self, address: str) -> Path:
        """The folder of a step's attempts."""
        return self.folder / "steps" / address.replace("/", "__")


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
