"""`adapt models`: the models that are known by name."""

from __future__ import annotations

import click

from planner.documents import pretty_json

EPILOG = """
\b
Examples:
  adapt models
  adapt models llama
  adapt models smollm2 --json
"""


@click.command(epilog=EPILOG)
@click.argument("search", required=False, default="")
@click.option("--json", "as_json", is_flag=True, help="Print the entries as JSON.")
def command(search: str, *, as_json: bool) -> None:
    """List the models that a spec can name without files: size, context, dtype, licence.

    SEARCH is a part of the id.
    """
    from planner.catalog import all_models

    found = [model for model in all_models() if search.lower() in model.id.lower()]
    if as_json:
        click.echo(pretty_json({"models": [model.model_dump(mode="json") for model in found]}), nl=False)
        return
    from rich.table import Table

    from adapt.cli.console import out

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("Model", overflow="fold")
    for name in ("Parameters", "Context (tokens)"):
        table.add_column(name, justify="right")
    for name in ("Dtype", "Licence", "Commercial use", "Released"):
        table.add_column(name)
    for model in found:
        size = f"{model.params / 1e9:,.2f} B"
        allowed = "yes" if model.commercial_use else "no"
        table.add_row(
            model.id, size, f"{model.context_tokens:,}", model.dtype, model.licence, allowed, str(model.released)
        )
    out().print(table)
    if not found:
        click.echo(
            f"No model's id has `{search}` in it; a spec may also name a folder, or a size as `params`.", err=True
        )
