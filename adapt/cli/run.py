"""`adapt run`: carries a plan out."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from planner.documents import pretty_json

if TYPE_CHECKING:
    from executors.report import RunReport
    from planner.documents import Event

TARGET_MISSED = 3
EPILOG = """
\b
Examples:
  adapt run plan.json
  adapt run plan.json --allow-path ../datasets
  adapt run plan.json --all-rungs
  adapt run plan.json --json > report.json

\b
Exit codes:
  0  done, and the target, if there is one, is met
  1  a step failed
  3  a gate said no, or no rung met the target
"""


@click.command(epilog=EPILOG)
@click.argument("plan", type=click.Path(path_type=Path))
@click.option(
    "--allow-path",
    "allow_paths",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    envvar="ADAPT_ALLOW_PATH",
    help="A folder outside of the plan's own that the plan may read; repeatable.",
)
@click.option(
    "--all-rungs",
    is_flag=True,
    help="Measure every rung, whatever its gates say, and tell what the gates would have picked, lost and saved.",
)
@click.option("--offline", is_flag=True, help="Tell every library not to ask the network.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the report as JSON; events as JSON lines on standard error."
)
def command(plan: Path, allow_paths: tuple[Path, ...], *, all_rungs: bool, offline: bool, as_json: bool) -> None:
    """Carry PLAN out, step after step, and stop at the first rung that meets the target.

    Run it again to go on after an interruption: what is done is not done again. Everything it leaves lies in
    `.adapt` beside the plan.
    """
    report = carry_out(plan, allow_paths, all_rungs=all_rungs, offline=offline, as_json=as_json)
    raise click.exceptions.Exit(exit_code(report))


def carry_out(
    plan: Path,
    allow_paths: tuple[Path, ...] = (),
    *,
    all_rungs: bool = False,
    offline: bool = False,
    as_json: bool = False,
) -> RunReport:
    """Run a plan, show its progress, print its report."""
    from adapt.cli.console import err, out
    from executors.runner import run_plan
    from executors.state import STATE_FOLDER

    run = partial(run_plan, plan, allow_paths=allow_paths, offline=offline, all_rungs=all_rungs)
    if as_json:
        report = run(on_event=_json_event)
        click.echo(pretty_json(report.to_json()), nl=False)
        return report
    from adapt.render.progress import Display
    from adapt.render.report import report as render

    with Display(err()) as display:
        report = run(on_event=display.show)
    out().print(render(report, plan.parent / STATE_FOLDER))
    return report


def exit_code(report: RunReport) -> int:
    """The run's own code; 3 when everything was tried and the target is still not met."""
    missed = report.status == "done" and bool(report.target) and report.reached is None
    return TARGET_MISSED if missed else report.exit_code


def _json_event(event: Event) -> None:
    click.echo(event.model_dump_json(exclude_defaults=True), err=True)
