"""`adapt explain`: why a plan decides as it does."""

from __future__ import annotations

from pathlib import Path

import click

from adapt.cli.formats import format_options, show

EPILOG = """
\b
Examples:
  adapt explain plan.json
  adapt explain plan.json method learning_rate
  adapt explain plan.json --all --format markdown > decisions.md
  adapt explain plan.json method --json
"""


@click.command(epilog=EPILOG)
@click.argument("plan", type=click.Path(path_type=Path))
@click.argument("questions", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every decision in full.")
@format_options
def command(plan: Path, questions: tuple[str, ...], form: str, *, everything: bool) -> None:
    """Say why PLAN decides as it does: the answer, because, the numbers looked at, the source.

    QUESTIONS are decisions, such as `method`, each told in full. Without one: what a reviewer signs, on one page.
    """
    import adapt
    from planner.explanation import explain

    document = adapt.load(plan)
    explanation = explain(document, questions)

    from adapt.render.explain import first_page, in_full

    is_full = everything or bool(questions)
    show(form, explanation, lambda: in_full(explanation) if is_full else first_page(document, explanation))
