"""`adapt status`: how a run stands."""

from __future__ import annotations

from pathlib import Path

import click

from planner.documents import InputError, pretty_json

EPILOG = """
\b
Examples:
  adapt status plan.json
  adapt status plan.json --json
"""


@click.command(epilog=EPILOG)
@click.argument("plan", type=click.Path(path_type=Path), default=Path("plan.json"))
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(plan: Path, *, as_json: bool) -> None:
    """Say how the run of PLAN (plan.json by default) stands: steps, scores, what is left, who holds it."""
    import adapt
    from executors.state import STATE_FOLDER, State
    from executors.status import read_status

    state = plan.parent / STATE_FOLDER
    digest = adapt.load(plan).digest
    found = [standing for standing in read_status(State(state.absolute())) if standing.report.plan == digest]
    if not found:
        raise InputError.one("CLI006", f"{plan} has not been run.", f"Run it: adapt run {plan}.", file=str(plan))
    report, progress = found[0].report, found[0].progress
    if as_json:
        click.echo(pretty_json(report.to_json()), nl=False)
        return
    from rich.table import Table

    from adapt.cli.console import out
    from adapt.render.progress import detail, share
    from adapt.render.report import report as render
    from adapt.render.units import seconds

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Step", "State", "Time", "Why"):
        table.add_column(name, overflow="fold")
    for step in report.steps:
        time = "-" if step.seconds is None else seconds(step.seconds)
        doing = progress is not None and progress.step == step.address
        why = f"{share(progress)}{detail(progress)}" if progress is not None and doing else step.reason
        table.add_row(step.address, step.status, time, why)
    out().print(table)
    out().print()
    out().print(render(report, state))
