"""`adapt report`: a run accounted for."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.documents import InputError, pretty_json

if TYPE_CHECKING:
    from executors.account import Account

FORMATS = ("text", "markdown", "html", "json")
EPILOG = """
\b
Examples:
  adapt report plan.json
  adapt report plan.json --format html --out report.html
  adapt report .adapt --format markdown
  adapt report plan.json --json | jq .report.rungs
"""


@click.command(epilog=EPILOG)
@click.argument("run", type=click.Path(path_type=Path), default=Path("plan.json"))
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="How it is told; text.")
@click.option("--json", "form", flag_value="json", help="Short for --format json.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write there, whole or not at all.")
def command(run: Path, form: str, out: Path | None) -> None:
    """Tell what RUN came to: a plan that was run (plan.json by default), or its folder .adapt.

    Rungs with intervals and gains, the decisions, what each step cost and left, the regret of the gates where every
    rung was measured, and what storing many variants takes.
    """
    from adapt.from_run import find_run
    from executors.account import account

    if out is not None and not out.absolute().parent.is_dir():
        raise InputError.one("CLI002", f"The folder {out.parent} is not there.", "Name another file.", file=str(out))
    state, report, plan = find_run(run)
    document = account(plan, report, state)
    if form == "text" and out is None:
        from adapt.cli.console import out as console
        from adapt.render.account import account as page
        from adapt.render.page import on_terminal

        console().print(on_terminal(page(document)))
        return
    text = _written(form, document)
    if out is None:
        click.echo(text, nl=False)
        return
    from executors.files import write_atomic

    write_atomic(out, text)
    click.echo(f"Written to {out}.", err=True)


def _written(form: str, document: Account) -> str:
    from adapt.render.account import account as page
    from adapt.render.html import as_html
    from adapt.render.page import as_markdown

    if form == "json":
        return pretty_json(document.to_json())
    if form == "html":
        return as_html(page(document), f"Run of {document.report.name}")
    return as_markdown(page(document))
