"""A page as HTML: one file that stands alone, readable in light and dark, without scripts."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from adapt.render.page import Grid, Heading, Line, Points, spans

if TYPE_CHECKING:
    from adapt.render.page import Block, Item, Page, Words

STYLE = """
:root { color-scheme: light dark; --line: #8884; --quiet: #777; --good: #1a7f37; --bad: #b35900; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: .5rem 0 1rem; display: block; overflow-x: auto; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); }
th { font-weight: 600; } .quiet { color: var(--quiet); } .answer { color: var(--good); font-weight: 600; }
.warning { color: var(--bad); font-weight: 600; } .strong { font-weight: 600; } .source { color: var(--quiet); }
""".strip()


def as_html(page: Page, title: str) -> str:
    """The page as a whole HTML document."""
    body = "\n".join(_block(block) for block in page.blocks)
    head = f'<meta charset="utf-8">\n<title>{escape(title)}</title>\n<style>\n{STYLE}\n</style>'
    return f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{body}\n</body>\n</html>\n'


def _block(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_words(block.words)}</h{block.level}>"
    if isinstance(block, Line):
        return f"<p>{_words(block.words)}</p>"
    if isinstance(block, Points):
        return _list(block.items)
    return _table(block)


def _table(grid: Grid) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in grid.columns)
    rows = "\n".join(f"<tr>{''.join(f'<td>{_words(cell)}</td>' for cell in row)}</tr>" for row in grid.rows)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"


def _list(items: tuple[Item, ...]) -> str:
    points = "\n".join(f"<li>{_words(item.words)}{_list(item.inner) if item.inner else ''}</li>" for item in items)
    return f"<ul>\n{points}\n</ul>"


def _words(words: Words) -> str:
    return "".join(
        escape(span.text) if span.look == "plain" else f'<span class="{span.look}">{escape(span.text)}</span>'
        for span in spans(words)
    )
