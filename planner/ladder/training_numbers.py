"""Pins of a training that the model cannot take: what the configuration alone shows is said when it is planned."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Finding, InputError, Where, near
from planner.facts import Unknown
from planner.facts.model import architecture_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from planner.documents import JsonValue
    from planner.ladder.draft import Draft
    from planner.memory import Architecture

# Decisions that a user may pin to what the model has no room for.
CHECKED = ("rank", "pair_rank", "targets", "layers_trained", "max_length", "virtual_tokens")


def check_pins(draft: Draft, params: Mapping[str, JsonValue]) -> None:
    """Hold the pinned numbers and names of a training against the base's layers and context.

    Raises:
        InputError: a rank is above a matrix, a module is not there, or rows do not fit the context.
    """
    if not {*CHECKED} & draft.spec.overrides.keys():
        return
    found = [*_context(draft, params)]
    shape = architecture_of(draft.survey.models[str(draft.answer("base_model"))])
    if not isinstance(shape, Unknown) and shape.known and shape.declared_parameters is None:
        found += _layers(draft, params, shape)
    if found:
        raise InputError(found)


def _layers(draft: Draft, params: Mapping[str, JsonValue], shape: Architecture) -> Iterator[Finding]:
    sides: dict[str, int] = {}
    for linear, _ in shape.matrices():
        sides[linear.name] = min(linear.inputs, linear.outputs, sides.get(linear.name, linear.inputs))
    targets, absent = params.get("targets"), []
    if isinstance(targets, list):
        absent = [name for name in map(str, targets) if name.rpartition(".")[2] not in sides]
        yield from (_absent(name, sides) for name in absent)
    layers = params.get("layers_trained")
    if isinstance(layers, int) and layers > shape.layers:
        message = f"The last {layers} layers are to be trained, and the base has {shape.layers}."
        yield _refused("layers_trained", message, f"Train at most {shape.layers}.")
    rank = params.get("rank")
    chosen = {str(name).rpartition(".")[2] for name in targets} if isinstance(targets, list) else {*sides}
    taken = {name: side for name, side in sides.items() if name in chosen}
    if not isinstance(rank, int) or "alpha" not in params or not taken or absent:
        return
    narrow = min(taken, key=lambda name: (taken[name], name))
    if rank > taken[narrow]:
        pinned = "pair_rank" if "rank" not in draft.spec.overrides and "pair_rank" in draft.spec.overrides else "rank"
        message = f"Rank {rank} is above the smaller side, {taken[narrow]}, of {narrow}."
        yield _refused(pinned, message, f"Use a rank of at most {taken[narrow]}.")


def _context(draft: Draft, params: Mapping[str, JsonValue]) -> Iterator[Finding]:
    context, length = draft.fact("context_tokens"), int(str(params["max_length"]))
    if context is None or params.get("scaling", "none") != "none":
        return
    soft = params.get("virtual_tokens")
    beside = soft if isinstance(soft, int) else 0
    if "max_length" in draft.spec.overrides and length > context:
        message = f"Rows of {length} tokens are asked for, and the base reads {context}."
        yield _refused("max_length", message, f"Set it to {context} or less, or train for a long context.")
    elif beside >= context:
        message = f"{beside} virtual tokens leave no room for a row: the base reads {context} tokens."
        yield _refused("virtual_tokens", message, "Take twenty, or a hundred at most.")


def _absent(name: str, sides: Mapping[str, int]) -> Finding:
    fix = near(name, sides) or f"Its layers have {', '.join(sorted(sides))}."
    return _refused("targets", f"The base has no module {name}.", fix)


def _refused(pinned: str, message: str, fix: str) -> Finding:
    where = Where(pointer=f"/overrides/{pinned}")
    return Finding(code="PIN011", severity="error", message=message, fix=fix, where=where)
