"""A page as data: built once, written for a terminal or as Markdown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.console import RenderableType

Look = Literal["plain", "strong", "answer", "quiet", "source", "warning"]
_STYLES = {"plain": "", "strong": "bold", "answer": "bold green", "quiet": "dim", "source": "cyan", "warning": "yellow"}


@dataclass(frozen=True)
class Span:
    """Words of one look."""

    text: str
    look: Look = "plain"


Words = str | Span | tuple[str | Span, ...]


@dataclass(frozen=True)
class Heading:
    """A title; level 1 is the page's."""

    words: Words
    level: int = 2


@dataclass(frozen=True)
class Line:
    """A paragraph."""

    words: Words


@dataclass(frozen=True)
class Item:
    """A point of a list, with points of its own."""

    words: Words
    inner: tuple[Item, ...] = ()


@dataclass(frozen=True)
class Points:
    """A list."""

    items: tuple[Item, ...]


@dataclass(frozen=True)
class Grid:
    """A table."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Words, ...], ...]


Block = Heading | Line | Points | Grid


@dataclass
class Page:
    """Blocks in the order in which they are read."""

    blocks: list[Block] = field(default_factory=list)

    def heading(self, words: Words, level: int = 2) -> None:
        """Begin a part."""
        self.blocks.append(Heading(words, level))

    def line(self, words: Words) -> None:
        """Add a paragraph."""
        self.blocks.append(Line(words))

    def points(self, items: Iterable[Item | Words]) -> None:
        """Add a list, unless it is empty."""
        found = tuple(item if isinstance(item, Item) else Item(item) for item in items)
        if found:
            self.blocks.append(Points(found))

    def grid(self, columns: tuple[str, ...], rows: Iterable[tuple[Words, ...]]) -> None:
        """Add a table, unless it is empty; columns in which nothing stands are left out."""
        found = list(rows)
        kept = [index for index in range(len(columns)) if any(_plain(row[index]) for row in found)]
        if found:
            cells = tuple(tuple(row[index] for index in kept) for row in found)
            self.blocks.append(Grid(tuple(columns[index] for index in kept), cells))


def spans(words: Words) -> list[Span]:
    """Words as pieces of one look each."""
    parts = words if isinstance(words, tuple) else (words,)
    return [Span(part) if isinstance(part, str) else part for part in parts]


def _plain(words: Words) -> str:
    return "".join(span.text for span in spans(words))


def on_terminal(page: Page) -> RenderableType:
    """The page for a terminal."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = []
    for index, block in enumerate(page.blocks):
        # A heading stands apart from what is before it, and close to what follows.
        if index and isinstance(block, Heading):
            parts.append(Text())
        parts.append(_terminal(block))
    return Group(*parts)


def _terminal(block: Block) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table

    if isinstance(block, Heading):
        return _text(block.words, base="bold")
    if isinstance(block, Line):
        return Padding(_text(block.words), (0, 0, 0, 2), expand=False)
    if isinstance(block, Points):
        return Group(*(_point(item, 2) for item in block.items))
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=any(block.columns))
    for name in block.columns:
        table.add_column(name, overflow="fold")
    for row in block.rows:
        table.add_row(*(_text(cell) for cell in row))
    return Padding(table, (0, 0, 0, 2), expand=False)


def _point(item: Item, depth: int) -> RenderableType:
    from rich.console import Group
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 1))
    line.add_column(width=1)
    line.add_column(overflow="fold")
    line.add_row(Text("-"), _text(item.words))
    return Group(Padding(line, (0, 0, 0, depth), expand=False), *(_point(inner, depth + 2) for inner in item.inner))


def _text(words: Words, base: str = "") -> RenderableType:
    from rich.text import Text

    text = Text(style=base)
    for span in spans(words):
        text.append(span.text, style=_STYLES[span.look] or None)
    return text


def as_markdown(page: Page) -> str:
    """The page as Markdown, with a final newline."""
    return "\n\n".join(_markdown(block) for block in page.blocks) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_plain(block.words)}"
    if isinstance(block, Line):
        return _marked(block.words)
    if isinstance(block, Points):
        return "\n".join(line for item in block.items for line in _bullets(item, 0))
    lines = [block.columns, tuple("---" for _ in block.columns)]
    rows = [tuple(_marked(cell).replace("|", "\\|").replace("\n", " ") for cell in row) for row in block.rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (*lines, *rows))


def _bullets(item: Item, depth: int) -> list[str]:
    return [
        f"{'  ' * depth}- {_marked(item.words)}",
        *(line for inner in item.inner for line in _bullets(inner, depth + 1)),
    ]


def _marked(words: Words) -> str:
    return "".join(
        f"**{span.text}**" if span.look in ("strong", "answer") and span.text.strip() else span.text
        for span in spans(words)
    )
