"""`adapt explain`: why a plan decides as it does."""

from __future__ import annotations

from pathlib import Path

import click

from planner.documents import InputError, near, pretty_json

EPILOG = """
\b
Examples:
  adapt explain plan.json
  adapt explain plan.json method learning_rate
  adapt explain plan.json --json
"""


@click.command(epilog=EPILOG)
@click.argument("plan", type=click.Path(path_type=Path))
@click.argument("questions", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print the records as JSON.")
def command(plan: Path, questions: tuple[str, ...], *, as_json: bool) -> None:
    """Say why PLAN decides as it does: the answer, because, the numbers looked at, the source.

    QUESTIONS are decisions, such as `method`; all of them by default.
    """
    import adapt

    document = adapt.load(plan)
    known = [decision.question for decision in document.decisions]
    for question in questions:
        if question not in known:
            fix = near(question, known) or f"There are: {', '.join(known)}."
            raise InputError.one("CLI003", f"The plan decides nothing called `{question}`.", fix, file=str(plan))
    if as_json:
        chosen = [item.to_json() for item in document.decisions if not questions or item.question in questions]
        click.echo(pretty_json({"plan": document.digest, "decisions": chosen}), nl=False)
        return
    from adapt.cli.console import out
    from adapt.render.explain import decisions

    out().print(decisions(document, questions))
