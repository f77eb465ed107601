"""What became of trainings, in sentences: what their losses say, what was tried again, and what was not as planned."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from executors.report import StepReport
    from planner.documents import JsonValue

# What multiplies to the rows of one optimizer step.
BATCH = ("micro_batch", "accumulation", "devices")
AFTER = {
    "oom": "ran out of memory and was tried again",
    "infrastructure": "crashed and was tried again",
    "preempted": "was stopped and tried again",
}


def trainings_told(steps: tuple[StepReport, ...]) -> list[str]:
    """Sentences for each step that was tried again, and for each training."""
    return [f"{step.address} {sentence}" for step in steps for sentence in (*_retries(step), *_outcome(step))]


def _retries(step: StepReport) -> Iterator[str]:
    retried = step.notes.get("retried")
    changes = [change for change in retried if isinstance(change, dict)] if isinstance(retried, list) else []
    for change in changes:
        changed = _changed(change.get("was"), change.get("set"))
        yield f"{AFTER.get(str(change['after']), 'was tried again')}{changed}: {change['because']}."
    if any(isinstance(found := change["set"], dict) and "micro_batch" in found for change in changes):
        yield f"took {_rows(step.params)} rows a step all the same, as planned."
    if changes and step.error is not None and step.error.cls == "oom":
        yield "cannot take less memory by any way that the plan knows."


def _changed(was: JsonValue, now: JsonValue) -> str:
    if not isinstance(now, dict) or not now:
        return ""
    before = was if isinstance(was, dict) else {}
    return " with " + ", ".join(f"{name} {_word(before.get(name))} -> {_word(now[name])}" for name in sorted(now))


def _word(value: JsonValue) -> str:
    return {True: "on", False: "off", None: "unset"}[value] if isinstance(value, bool | None) else str(value)


def _rows(params: Mapping[str, JsonValue]) -> int:
    return prod(int(str(params.get(name) or 1)) for name in BATCH)


def _outcome(step: StepReport) -> Iterator[str]:
    notes = step.notes
    if since := notes.get("resumed_from"):
        yield f"went on from the checkpoint of step {since}."
    other = notes.get("not_as_planned")
    for name, reason in other.items() if isinstance(other, dict) else ():
        yield f"did not train with {name} as planned: {reason}"
    if curve := notes.get("curve"):
        yield f"ended: {curve}{_kept(notes, step.params)}"


def _kept(notes: Mapping[str, JsonValue], params: Mapping[str, JsonValue]) -> str:
    """How far it went where that is less than planned, and whose weights were kept where those are not the last."""
    epochs, planned, steps, chosen = (
        float(str(found or 0))
        for found in (notes.get("epochs"), params.get("epochs"), notes.get("steps"), notes.get("chosen_step"))
    )
    early = round(epochs, 1) < planned
    stopped = f" It was stopped after {epochs:.3g} of {planned:g} epochs, as no evaluation was better any more."
    kept = f" The weights of step {chosen:.0f} of {steps:.0f} were kept, where the validation loss was lowest."
    return (stopped if early else "") + (kept if chosen < steps else "")
