"""`adapt schema`: the JSON Schemas of the documents."""

from __future__ import annotations

from pathlib import Path

import click

from planner.documents import pretty_json
from planner.documents.schema import PUBLISHED, json_schema

EPILOG = """
\b
Examples:
  adapt schema spec
  adapt schema --all schemas
"""


@click.command(epilog=EPILOG)
@click.argument("name", type=click.Choice(sorted(PUBLISHED)), required=False)
@click.option("--all", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write every schema here.")
def command(name: str | None, folder: Path | None) -> None:
    """Print the JSON Schema of a document; editors check specs with it."""
    if folder is not None:
        from executors.files import write_atomic

        folder.mkdir(parents=True, exist_ok=True)
        for each in PUBLISHED:
            write_atomic(folder / f"{each}.schema.json", pretty_json(json_schema(each)))
        click.echo(f"Wrote {len(PUBLISHED)} schemas to {folder}.", err=True)
    elif name is not None:
        click.echo(pretty_json(json_schema(name)), nl=False)
    else:
        raise click.UsageError("Name a document, or a folder with --all.")
