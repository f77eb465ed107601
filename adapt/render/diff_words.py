"""The words of a difference, the same on a terminal and in Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from adapt.render.units import dollars, fraction, plain, seconds, size

if TYPE_CHECKING:
    from planner.difference import Answer, Cause, Change, Difference, FactChange
    from planner.documents import JsonValue

MARKS = {"added": "+", "removed": "-", "changed": "~"}
NOTHING = "Nothing changed that matters."
LONGEST = 120
SHOWN_CHANGES = 12


def value(item: JsonValue, unit: str = "") -> str:
    """A value in few words; what is long is cut, for it stands in the plan."""
    if item is None:
        return "nothing"
    if isinstance(item, int | float) and not isinstance(item, bool):
        by_unit = {"bytes": size, "s": seconds, "USD": dollars, "fraction": fraction}
        shown = by_unit[unit](item) if unit in by_unit else plain(item)
        return shown if unit in by_unit or not unit else f"{shown} {unit}"
    text = json.dumps(_filled(item), ensure_ascii=False) if isinstance(item, dict | list) else plain(item)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


def _filled(item: JsonValue) -> JsonValue:
    """A value without its empty fields."""
    if isinstance(item, dict):
        return {name: _filled(each) for name, each in item.items() if each not in (None, [], {})}
    return [_filled(each) for each in item] if isinstance(item, list) else item


def change(item: Change) -> str:
    """One change in a clause: `constraints/max_hours: 2 is now 8`."""
    name = item.pointer.removeprefix("/").replace("~1", "/").replace("~0", "~")
    if item.old is None:
        return f"{name}: {value(item.new, item.unit)} (new)"
    if item.new is None:
        return f"{name}: {value(item.old, item.unit)} (gone)"
    old, new = value(item.old, item.unit), value(item.new, item.unit)
    return f"{name}: {old} -> {new}" if old != new else f"{name}: changed"


def answer(item: Answer | None) -> str:
    """The answer alone."""
    if item is None:
        return "not asked"
    return plain(item.answer) if item.answer != [] else "nothing"


def because(item: Answer) -> str:
    """Why an answer was given, with the rule or the pin."""
    by = {"pin": "your pin", "user": "your rule book", "core": "the core rules", "default": "the default"}.get(
        item.tier
    )
    return f"because {item.because} ({item.rule or by})"


def fact(item: FactChange) -> str:
    """A fact with both values and the test that it passes or fails."""
    test = f" (test: {item.test})" if item.test else ""
    names = [name for name in item.through if name != item.fact]
    through = f", through {' and '.join(names)}" if names else ""
    old, new = ("unknown" if each is None else value(each, item.unit) for each in (item.old, item.new))
    return f"{item.fact}: {old} -> {new}{test}{through}"


def causes(items: tuple[Cause, ...]) -> str:
    """The causes in one clause, at most three of them."""
    texts = [item.text for item in items]
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""  # noqa: PLR2004 - three are read at a glance
    return "; ".join(texts[:3]) + more


def headline(found: Difference) -> str:
    """The difference in one sentence."""
    if not found.matters:
        places = len(found.words)
        return f"{NOTHING} Words or estimates differ in {places} places." if places else NOTHING
    return f"{'; '.join(found.summary) or 'what was given changed, and no decision with it'}."


def given(found: Difference) -> dict[str, list[str]]:
    """What was given otherwise, by part, without what does not matter when something does."""
    parts: dict[str, list[str]] = {}
    for item in found.given:
        if item.matters or not found.matters:
            parts.setdefault(item.part, []).append(change(item))
    return {part: _cut(lines) for part, lines in parts.items()}


def step_lines(changes: tuple[Change, ...]) -> list[str]:
    """What is done otherwise in a step."""
    return _cut([change(item) for item in changes])


def _cut(lines: list[str]) -> list[str]:
    more = len(lines) - SHOWN_CHANGES
    return lines if more <= 0 else [*lines[:SHOWN_CHANGES], f"and {more} more (see --json)"]
