"""`adapt flips`: which change of an input would change the plan."""

from __future__ import annotations

from pathlib import Path

import click

from adapt.cli.formats import format_options, show

EPILOG = """
\b
Examples:
  adapt flips plan.json
  adapt flips plan.json --lever hardware.memory_gb --lever hardware.count
  adapt flips plan.json --lever data --decision method
  adapt flips plan.json --decision learning_rate --format markdown
"""


@click.command(epilog=EPILOG)
@click.argument("plan", type=click.Path(path_type=Path))
@click.option("--lever", "levers", multiple=True, metavar="INPUT", help="Vary this input, or all below it; repeatable.")
@click.option("--decision", "questions", multiple=True, metavar="QUESTION", help="Look at this decision; repeatable.")
@format_options
def command(plan: Path, levers: tuple[str, ...], questions: tuple[str, ...], form: str) -> None:
    """Say which smallest change of one input would change PLAN, and how.

    Each change is found by deciding again, and is true of the rules that made the plan. Without options: every input,
    and the decisions that a reviewer signs.
    """
    import adapt
    from planner.explanation import flips

    found = flips(adapt.load(plan), levers or None, questions or None, folder=plan.parent)

    from adapt.render.flips import flips as page

    show(form, found, lambda: page(found, by_name=bool(levers or questions)))
