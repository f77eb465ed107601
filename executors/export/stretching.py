"""Longer contexts in the words of other tools: how rotary positions are stretched, as far as each can be told."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.export.sheet import Sheet
    from executors.export.trainings import Training


class Stretch(NamedTuple):
    """Positions that reach further than those of the base."""

    kind: str
    """`linear`, `dynamic` or `yarn`, by the words of transformers."""
    factor: float
    window: int | None
    """Tokens that the base was made for; None where its configuration is not at hand."""
    theta: float | None
    """The base frequency of its positions."""


def stretch_of(sheet: Sheet, training: Training) -> Stretch | None:
    """How far the plan stretches positions; None where it does not. Both parameters count as said."""
    kind, factor = sheet.get("scaling"), sheet.get("scaling_factor")
    if kind in (None, "none"):
        return None
    config = training.base.config
    rope = config.get("rope_parameters") or {}
    theta = rope.get("rope_theta") if isinstance(rope, dict) else None
    window = config.get("max_position_embeddings")
    return Stretch(str(kind), float(factor), _number(window), theta or config.get("rope_theta"))


def as_overrides(sheet: Sheet, training: Training) -> dict[str, Any]:
    """What changes in the base's configuration, for a tool that sets its fields one by one."""
    found = stretch_of(sheet, training)
    if found is None:
        return {}
    rope: dict[str, Any] = {"rope_type": found.kind, "factor": found.factor}
    if found.theta is None or found.window is None:
        because = f"The base's configuration is not at hand, so that {sheet.tool} is told the stretch without its base."
        sheet.unsaid("scaling", because, "Add `rope_theta`, and `max_position_embeddings` of the longer context.")
        return {"rope_parameters": rope}
    rope["rope_theta"] = found.theta
    if found.kind == "yarn":
        rope["original_max_position_embeddings"] = found.window
    longer = found.window if found.kind == "dynamic" else int(found.window * found.factor)
    return {"rope_parameters": rope, "max_position_embeddings": longer}


def by_length(sheet: Sheet, training: Training) -> dict[str, Any]:
    """For LLaMA-Factory, which takes the factor that the longest row needs, and none where the window holds it."""
    found = stretch_of(sheet, training)
    if found is None:
        return {}
    length = int(sheet.params.get("max_length") or 0)
    its = None if found.window is None else math.ceil(length / found.window) if length > found.window else 1
    if its != found.factor:
        own = "the factor that `cutoff_len` needs" if its is None else f"{its}, which `cutoff_len` needs"
        because = f"Positions are stretched {found.factor:g} times in the plan; LLaMA-Factory takes {own}."
        fix = "Stretch them in the base's config.json instead, and leave out `rope_scaling`, where they differ."
        sheet.unsaid("scaling_factor", because, fix)
    if found.kind == "dynamic":
        because = "LLaMA-Factory also writes a longer window into the configuration, from which dynamic scaling starts."
        sheet.unsaid("scaling", because, "Restore `max_position_embeddings` in the result.")
    return {"rope_scaling": found.kind}


def as_python(sheet: Sheet, training: Training) -> dict[str, Any] | None:
    """What a script sets itself, from the base's own configuration; None where nothing is stretched."""
    found = stretch_of(sheet, training)
    return None if found is None else {"rope_type": found.kind, "factor": found.factor}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) else None


def config_of(surveyed: Mapping[str, Any]) -> dict[str, Any]:
    """A base's configuration, as the plan's survey read it; that of its text part where it has several."""
    config = surveyed.get("config") or {}
    text = config.get("text_config")
    return dict(text if isinstance(text, dict) else config)
