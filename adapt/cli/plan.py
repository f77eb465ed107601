"""`adapt plan`: from a spec to a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from planner.documents import InputError, Plan, pretty_json

NOT_APPLYABLE = 3
EPILOG = """
\b
Examples:
  adapt plan spec.json
  adapt plan spec.yaml --out plans/first.json --set constraints.max_hours=2
  adapt plan spec.json --json | jq .decisions
"""


@click.command(epilog=EPILOG)
@click.argument("spec", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where the plan goes; plan.json beside the spec by default."
)
@click.option("--set", "changes", multiple=True, metavar="A.B=VALUE", help="Change a field of the spec; repeatable.")
@click.option("--hardware", help="Plan for this hardware, such as `a10g` or `8xh100`, instead of the spec's.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print the plan on standard output; write a file only with --out."
)
def command(spec: Path, out: Path | None, changes: tuple[str, ...], hardware: str | None, *, as_json: bool) -> None:
    """Decide how to adapt a model, and write the plan.

    SPEC is a JSON, YAML or TOML file; `{"task": {"description": "..."}, "models": [{"id": "..."}]}` is enough.
    Exit code 3 when nothing can satisfy the spec; the plan then says what would.
    """
    import adapt

    pairs = [*changes, *([f'hardware="{hardware}"'] if hardware else [])]
    document = _planned(spec, pairs) if pairs else adapt.plan(spec)
    target = out or (None if as_json else spec.parent / "plan.json")
    if target is not None:
        _check_target(target, spec)
        adapt.save(document, target)
    if as_json:
        click.echo(pretty_json(document.to_json()), nl=False)
    else:
        _show(document, target)
    if not document.status.applyable:
        raise click.exceptions.Exit(NOT_APPLYABLE)


def _planned(spec: Path, pairs: list[str]) -> Plan:
    """The plan of a spec with some of its fields changed."""
    import adapt
    from planner.survey.plain_text import read_text
    from planner.survey.spec_syntax import parse_text

    values: Any = parse_text(read_text(spec, str(spec), code="SPEC"), str(spec))
    for pair in pairs:
        _change(values, pair)
    return adapt.plan(values, folder=spec.parent)


def _change(values: Any, pair: str) -> None:
    """Set one field; the value is read as YAML, so numbers, lists and words need no quotes."""
    import yaml

    name, equals, text = pair.partition("=")
    keys = name.split(".")
    if not equals or not all(keys):
        raise InputError.one(
            "CLI001", f"--set {pair} is not of the form A.B=VALUE.", "Such as constraints.max_hours=2."
        )
    for key in keys[:-1]:
        values = values.setdefault(key, {}) if isinstance(values, dict) else None
    if not isinstance(values, dict):
        raise InputError.one(
            "CLI001", f"--set {pair} leads into a value that is no object.", "Name a field of an object."
        )
    values[keys[-1]] = yaml.safe_load(text)


def _check_target(target: Path, spec: Path) -> None:
    if target.resolve() == spec.resolve():
        raise InputError.one("CLI002", f"--out {target} is the spec itself.", "Name another file.")
    if not target.parent.is_dir():
        raise InputError.one("CLI002", f"The folder {target.parent} is not there.", "Make it, or name another file.")


def _show(document: Plan, target: Path | None) -> None:
    from adapt.cli.console import err, out
    from adapt.render.plan import plan

    out().print(plan(document))
    if target is not None:
        allowed = "".join(f" --allow-path {folder}" for folder in _outside(document, target.parent))
        err().print(f"\nWritten to {target}. Next: adapt explain {target}, then adapt run {target}{allowed}")


def _outside(document: Plan, folder: Path) -> list[Path]:
    """The folders outside of the plan's own that it reads; a run must be allowed to."""
    files = [folder / pin.path for pin in document.pins.values() if ":" not in pin.path]
    parents = {file.parent for file in files if not file.resolve().is_relative_to(folder.resolve())}
    return sorted(parents)
