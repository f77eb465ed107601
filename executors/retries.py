"""The retry ladder: what to change when a step failed in a way that was foreseen."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.documents import JsonValue, Step
    from planner.documents.events import ErrorClass


def next_retry(step: Step, applied: Sequence[int], failure: ErrorClass) -> int | None:
    """The first entry for a class of failure that was not applied yet, or None when the ladder has no more."""
    for index, retry in enumerate(step.retry):
        if retry.on == failure and index not in applied:
            return index
    return None


def params_after(step: Step, applied: Sequence[int]) -> dict[str, JsonValue]:
    """The step's parameters with retries applied one after the other."""
    params = dict(step.params)
    for index in applied:
        params |= step.retry[index].set
    return params


def history(step: Step, applied: Sequence[int]) -> tuple[dict[str, JsonValue], ...]:
    """Each retry in full: after which class of failure, what it set, what that was before, and why."""
    found: list[dict[str, JsonValue]] = []
    for number, index in enumerate(applied):
        change, before = step.retry[index], params_after(step, applied[:number])
        was = {name: before.get(name) for name in change.set}
        found.append({"after": change.on, "set": dict(change.set), "was": was, "because": change.because})
    return tuple(found)
