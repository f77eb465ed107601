"""Steps that are new, gone or done otherwise, each with the decision that it goes back to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.difference.document import Cause, Change, StepChange
from planner.difference.values import differing, escaped, said

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from planner.documents import JsonValue, Plan, Step

# What makes a step another piece of work; its title, reasons and estimates do not.
WORK = ("executor", "version", "inputs", "params", "outputs", "rung", "checkpoint_s", "known_now", "needs")


def step_changes(
    old: Plan, new: Plan, decisions: Mapping[str, JsonValue], data: Collection[str]
) -> tuple[StepChange, ...]:
    """Every step that differs, in the order of the newer plan; steps that are gone last.

    Args:
        old: the older plan.
        new: the newer plan.
        decisions: the questions that they answer otherwise, each with the new answer.
        data: the names of the pins whose content differs.
    """
    before = {step.address: step for step in old.steps}
    after = {step.address: step for step in new.steps}
    moved = set(before) ^ set(after)
    found = []
    for address in dict.fromkeys((*after, *before)):
        one, two = before.get(address), after.get(address)
        changes = tuple(_changes(one, two)) if one and two else ()
        step = two or one
        if step is None or (one and two and not changes and not _reads(step, data)):
            continue
        change = "changed" if one and two else "added" if two else "removed"
        causes = _causes(step, one, changes, decisions, data, moved)
        found.append(
            StepChange.model_validate(
                {"address": address, "title": step.title, "change": change, "changes": changes, "causes": causes}
            )
        )
    return tuple(found)


def _changes(old: Step, new: Step) -> Iterator[Change]:
    one, two = old.to_json(), new.to_json()
    for name in WORK:
        for pointer, before, after in differing(one[name], two[name], f"/{name}"):
            yield Change(part="step", pointer=pointer, old=before, new=after)
    ladders = [_retries(step) for step in (old, new)]
    if ladders[0] != ladders[1]:
        yield Change(part="step", pointer="/retry", old=ladders[0], new=ladders[1])
    gates = [_gates(step) for step in (old, new)]
    for key in dict.fromkeys((*gates[0], *gates[1])):
        before, after = gates[0].get(key), gates[1].get(key)
        if before != after:
            yield Change(part="step", pointer=f"/gates/{escaped(key)}", old=before, new=after)


def _retries(step: Step) -> JsonValue:
    """What is tried when a step fails, in the order of trying."""
    return [
        f"{retry.on}: {', '.join(f'{name} {value}' for name, value in sorted(retry.set.items()))}"
        for retry in step.retry
    ]


def _gates(step: Step) -> dict[str, JsonValue]:
    """The tests of a step's gates, in words, by what they ask."""
    return {
        f"{gate.name} ({gate.metric})": (
            f"{f'less {gate.against} ' if gate.against else ''}{gate.test} by its {gate.bound} end, "
            f"or else {gate.otherwise}"
        )
        for gate in step.gates
    }


def _reads(step: Step, data: Collection[str]) -> list[str]:
    return [source.pin for source in step.inputs.values() if source.pin in data and source.pin is not None]


def _causes(
    step: Step,
    old: Step | None,
    changes: tuple[Change, ...],
    decisions: Mapping[str, JsonValue],
    data: Collection[str],
    moved: Collection[str],
) -> tuple[Cause, ...]:
    """The decisions that a step names and that changed; or else its data, the steps around it, what was given."""
    named = {reason.decision: reason for each in (old, step) if each for reason in each.reasons}
    causes = [
        Cause(kind="decision", name=name, text=f"{name} is {said(decisions[name])}")
        for name in named
        if name in decisions
    ]
    causes += [Cause(kind="data", name=pin, text=f"{pin} has another content") for pin in _reads(step, data)]
    if not causes:
        near = {*step.needs, *(old.needs if old else ())} & set(moved)
        causes = [Cause(kind="step", name=name, text=f"{name} came or went") for name in sorted(near)]
    if not causes and changes:
        causes = [Cause(kind="given", name="spec", text="the spec, the hardware or the planner changed")]
    if not causes:
        causes = [
            Cause(kind="decision", name=name, text=f"{name} is {said(each.answer)}") for name, each in named.items()
        ]
    return tuple(causes)
