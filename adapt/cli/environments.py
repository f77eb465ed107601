"""`adapt environments`: libraries that exclude each other, each with a virtual environment of its own."""

from __future__ import annotations

from typing import Any

import click

from planner.documents import pretty_json

GROUP = """
\b
Examples:
  adapt environments list
  adapt environments make llm-compressor
  ADAPT_ENVIRONMENTS=/data/environments adapt environments make gptqmodel
"""
LIST = """
\b
Examples:
  adapt environments list
  adapt environments list --json
"""
MAKE = """
\b
Examples:
  adapt environments make llm-compressor
"""


@click.group(epilog=GROUP)
def command() -> None:
    """List and make the environments that some steps run in.

    Some libraries exclude each other. A step that uses one names an environment, whose pins stand in the plan; it lies
    below `ADAPT_ENVIRONMENTS`, or in the user's cache folder. Nothing is installed unless `make` is called.
    """


@command.command("list", epilog=LIST)
@click.option("--json", "as_json", is_flag=True, help="Print the environments as JSON.")
def list_(*, as_json: bool) -> None:
    """Say which environments the executors here can use, and whether they are made."""
    from executors.environments import command_of, folder_of, is_made, known_environments

    rows: list[dict[str, Any]] = [
        {
            "name": each.name,
            "made": is_made(each),
            "folder": str(folder_of(each)),
            "installs": [" ".join(words) for words in each.installs],
            "command": command_of(each),
        }
        for each in known_environments().values()
    ]
    if as_json:
        click.echo(pretty_json({"environments": rows}), nl=False)
        return
    for row in rows:
        click.echo(f"{row['name']}: {'made, in' if row['made'] else 'not made; would lie in'} {row['folder']}")
        click.echo("".join(f"  pip install {words}\n" for words in row["installs"]), nl=False)
        if not row["made"]:
            click.echo(f"  To make it: {row['command']}")


@command.command("make", epilog=MAKE)
@click.argument("name")
def make_(name: str) -> None:
    """Install an environment; what is there already is left alone.

    NAME is one that `adapt environments list` prints.
    """
    from executors.environments import environment_named, make

    folder = make(environment_named(name), lambda line: click.echo(line, err=True))
    click.echo(f"{name} is made, in {folder}.")
