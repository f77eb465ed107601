"""`adapt doctor`: what is installed, and how to mend what is not."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import NamedTuple

import click

from planner.documents import pretty_json

FINDINGS = 3
NOT_MADE = "not made"
NOT_INSTALLED = "not installed"
FINE = ("ok", NOT_MADE, NOT_INSTALLED)
# What `adapt run` uses, in the order in which it is installed.
LIBRARIES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets", "gguf", "safetensors", "scikit-learn")
# What makes some runs faster where it is there, and what for.
FASTER = {"liger-kernel": "trains faster on CUDA devices where it is installed"}
INSTALL = "pip install 'adapt-planner[run]' -c constraints.txt"
EPILOG = """
\b
Examples:
  adapt doctor
  adapt doctor --json
"""


class Row(NamedTuple):
    """One thing that was looked at."""

    kind: str
    name: str
    state: str
    """ok, missing, broken, `not installed` for what no plan needs, or `not made` for an environment that some do."""
    detail: str
    fix: str = ""


@click.command(epilog=EPILOG)
@click.option("--json", "as_json", is_flag=True, help="Print the rows as JSON.")
def command(*, as_json: bool) -> None:
    """Check Python, libraries, executors, places and metrics; exit 3 when something is missing or broken.

    Environments that only some plans need are listed too, with the command that makes each.
    """
    rows = [*_python(), *_libraries(), *_executors(), *_environments()]
    if as_json:
        click.echo(pretty_json({"rows": [row._asdict() for row in rows]}), nl=False)
    else:
        _show(rows)
    if any(row.state not in FINE for row in rows):
        raise click.exceptions.Exit(FINDINGS)


def _python() -> list[Row]:
    version = ".".join(str(part) for part in sys.version_info[:3])
    return [Row("python", "python", "ok", version)]


def _libraries() -> list[Row]:
    rows = []
    for name in LIBRARIES:
        try:
            rows.append(Row("library", name, "ok", metadata.version(name)))
        except metadata.PackageNotFoundError:
            rows.append(Row("library", name, "missing", "plans can be made, but not run", INSTALL))
    for name, use in FASTER.items():
        try:
            rows.append(Row("library", name, "ok", metadata.version(name)))
        except metadata.PackageNotFoundError:
            rows.append(Row("library", name, NOT_INSTALLED, use, f"pip install {name}"))
    return rows


def _executors() -> list[Row]:
    from executors.registry import executor_registry, metric_registry, place_registry

    return [
        Row(registry.kind, entry.name, entry.state, entry.message or entry.source)
        for registry in (executor_registry(), place_registry(), metric_registry())
        for entry in registry.entries()
    ]


def _environments() -> list[Row]:
    from executors.environments import command_of, folder_of, is_made, known_environments

    return [
        Row("environment", each.name, "ok", str(folder_of(each)))
        if is_made(each)
        else Row("environment", each.name, NOT_MADE, "only plans that name it need it", command_of(each))
        for each in known_environments().values()
    ]


def _show(rows: list[Row]) -> None:
    from rich.table import Table
    from rich.text import Text

    from adapt.cli.console import out

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("What", "Name", "State", "Detail", "To do"):
        table.add_column(name, overflow="fold")
    for row in rows:
        style = {"ok": "green", NOT_MADE: "yellow", NOT_INSTALLED: "yellow"}.get(row.state, "bold red")
        table.add_row(row.kind, row.name, Text(row.state, style=style), Text(row.detail), Text(row.fix))
    out().print(table)
