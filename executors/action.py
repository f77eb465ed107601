"""The action key: the same key, the same work, the same result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import digest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Step


def action_key(step: Step, inputs: Mapping[str, str]) -> str:
    """Digest of everything that a step's result depends on.

    The parameters are the planned ones: work that succeeded after a retry is found again under what was asked for.

    Args:
        step: the step; its address and title do not count.
        inputs: input name to the digest of its content.
    """
    work = {"executor": step.executor, "version": step.version, "params": step.params, "inputs": dict(inputs)}
    if step.environment is not None:
        work["environment"] = step.environment.folder
    return digest(work)
