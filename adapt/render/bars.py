"""Stacked bars of memory on a terminal: one glyph and colour an item, the device's limit as a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH = 64


class Look(NamedTuple):
    """How an item is drawn: a glyph that can be told apart without colour, the terminal's colour, the picture's."""

    glyph: str
    style: str
    hex: str


#: In the order in which they are stacked. The colours of the picture are told apart by colour-blind readers
#:, the two parts that no tensor holds are grey.
ITEMS = {
    "weights": Look("█", "blue", "#0072B2"),
    "gradients": Look("▚", "yellow", "#E69F00"),
    "optimizer": Look("▓", "green", "#009E73"),
    "activations": Look("▒", "magenta", "#CC79A7"),
    "logits": Look("#", "red", "#D55E00"),
    "temporary": Look("+", "cyan", "#56B4E9"),
    "cache": Look("=", "cyan", "#F0E442"),
    "fragmentation": Look("░", "bright_black", "#999999"),
    "context": Look("·", "white", "#CCCCCC"),
}


def stacked(parts: Mapping[str, float], limit: float | None, *, width: int = WIDTH) -> Text:
    """One bar of the parts, with a line where the device ends.

    Args:
        parts: bytes by item.
        limit: memory of the device in bytes, if there is one.
        width: characters of the whole scale.
    """
    total = sum(parts.values())
    scale = width / max(total, limit or 0.0, 1.0)
    edge = round(limit * scale) if limit else None
    text, drawn, reached = Text(), 0, 0.0
    for name, look in ITEMS.items():
        reached += parts.get(name, 0.0)
        for _ in range(drawn, round(reached * scale)):
            if drawn == edge:
                text.append("|", style="bold red")
            text.append(look.glyph, style=look.style)
            drawn += 1
    if edge is not None and drawn <= edge:
        text.append(" " * (edge - drawn)).append("|", style="bold red")
    return text


def swatch(name: str) -> Text:
    """The glyph of an item, for a legend."""
    look = ITEMS[name]
    return Text(look.glyph * 2, style=look.style)
