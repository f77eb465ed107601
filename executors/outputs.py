"""The results of a plan under names that people find: links into the store."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.files import link
from executors.summary import outputs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.report import StepReport
    from executors.state import State
    from planner.documents import Plan


def link_outputs(plan: Plan, reports: Mapping[str, StepReport], state: State) -> None:
    """Make `outputs/PLAN/NAME` lead to each output in the store, in place of what it led to before.

    Raises:
        OSError: the links cannot be written.
    """
    folder = state.folder / "outputs" / plan.name
    for name, artifact in outputs(plan, reports).items():
        folder.mkdir(parents=True, exist_ok=True)
        link(folder / name, state.store / "sha256" / artifact.digest.removeprefix("sha256:"))
