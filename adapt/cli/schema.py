"""`adapt schema`: the JSON Schemas of the documents."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import click

from planner.documents import pretty_json
from planner.documents.schema import PUBLISHED, json_schema

# Documents of runs, by the modules that have them: loaded when they are asked for.
OF_RUNS = {
    "account": "executors.account:Account",
    "export": "executors.export.document:Export",
    "report": "executors.report:RunReport",
}
NAMES = (*sorted({*PUBLISHED, *OF_RUNS}),)

EPILOG = """
\b
Examples:
  adapt schema spec
  adapt schema --all schemas
"""


@click.command(epilog=EPILOG)
@click.argument("name", type=click.Choice(NAMES), required=False)
@click.option("--all", "folder", type=click.Path(path_type=Path, file_okay=False), help="Write every schema here.")
def command(name: str | None, folder: Path | None) -> None:
    """Print the JSON Schema of a document; editors check specs with it."""
    if folder is not None:
        from executors.files import write_atomic

        folder.mkdir(parents=True, exist_ok=True)
        for each in NAMES:
            write_atomic(folder / f"{each}.schema.json", pretty_json(_schema(each)))
        click.echo(f"Wrote {len(NAMES)} schemas to {folder}.", err=True)
    elif name is not None:
        click.echo(pretty_json(_schema(name)), nl=False)
    else:
        raise click.UsageError("Name a document, or a folder with --all.")


def _schema(name: str) -> dict[str, object]:
    module, _, kind = OF_RUNS.get(name, "").partition(":")
    return json_schema(name, getattr(import_module(module), kind) if module else None)
