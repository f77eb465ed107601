"""`adapt why-not`: what another answer would have needed."""

from __future__ import annotations

from pathlib import Path

import click

from adapt.cli.formats import format_options, show
from planner.documents import InputError

EPILOG = """
\b
Examples:
  adapt why-not plan.json method=full
  adapt why-not plan.json rungs=finetune
  adapt why-not plan.json quantization=int4 --format markdown
  adapt why-not plan.json warnings=regression --json
"""


@click.command(epilog=EPILOG)
@click.argument("plan", type=click.Path(path_type=Path))
@click.argument("asked", metavar="QUESTION=ANSWER")
@format_options
def command(plan: Path, asked: str, form: str) -> None:
    """Say why PLAN does not answer a question otherwise.

    It names what forbids the answer, which conditions failed and by how much, what came first, and what was not known.
    """
    import adapt
    from planner.explanation import why_not

    question, equals, answer = asked.partition("=")
    if not (question and equals and answer):
        raise InputError.one("CLI004", f"`{asked}` is not of the form QUESTION=ANSWER.", "Such as method=full.")
    found = why_not(adapt.load(plan), question.strip(), answer.strip())

    from adapt.render.why_not import why_not as page

    show(form, found, lambda: page(found))
