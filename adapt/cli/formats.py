"""The formats in which a command prints its answer: text, Markdown, JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapt.render.page import Page
    from planner.documents import Document

F = TypeVar("F", bound="Callable[..., Any]")


def format_options(function: F) -> F:
    """Add `--format` and its short form `--json`."""
    wanted = click.option(
        "--format",
        "form",
        type=click.Choice(["text", "markdown", "json"]),
        default="text",
        help="How the answer is printed: for a terminal, for a pull request, for a program.",
    )
    short = click.option("--json", "form", flag_value="json", help="Short for --format json.")
    return short(wanted(function))


def show(form: str, document: Document, page: Callable[[], Page]) -> None:
    """Print a document as JSON, or the page that is made of it."""
    if form == "json":
        from planner.documents import pretty_json

        click.echo(pretty_json(document.to_json()), nl=False)
        return
    from adapt.render.page import as_markdown, on_terminal

    if form == "markdown":
        click.echo(as_markdown(page()), nl=False)
        return
    from adapt.cli.console import out

    out().print(on_terminal(page()))
