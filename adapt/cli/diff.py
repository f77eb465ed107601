"""`adapt diff`: what changed between two plans, and why."""

from __future__ import annotations

from pathlib import Path

import click

from planner.documents import pretty_json

DIFFER = 3
EPILOG = """
\b
Examples:
  adapt diff plan.json new-plan.json
  adapt diff monday.json friday.json --format markdown
  adapt diff plan.json new-plan.json --json | jq .decisions
  adapt diff plan.json new-plan.json --exit-code
"""


@click.command(epilog=EPILOG)
@click.argument("old", type=click.Path(path_type=Path))
@click.argument("new", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json"]),
    default="text",
    help="How to print it; text by default.",
)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--exit-code", "tells", is_flag=True, help="Leave with 3 when the plans differ in what matters.")
def command(old: Path, new: Path, form: str, *, as_json: bool, tells: bool) -> None:
    """Say what changed from plan OLD to plan NEW, and because of which decision, pin or rule.

    What matters comes first: whether it can be run, what was given otherwise, the decisions that this changed, the
    steps that follow from them. Words and estimates alone count as no change.
    """
    import adapt
    from planner.difference import difference

    found = difference(adapt.load(old), adapt.load(new))
    if as_json or form == "json":
        click.echo(pretty_json(found.to_json()), nl=False)
    elif form == "markdown":
        from adapt.render.diff_markdown import markdown

        click.echo(markdown(found), nl=False)
    else:
        from adapt.cli.console import out
        from adapt.render.diff import text

        out().print(text(found), soft_wrap=True)
    if tells and found.matters:
        raise click.exceptions.Exit(DIFFER)
