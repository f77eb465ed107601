"""`adapt plan`: from a spec to a plan."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from planner.documents import InputError, Plan, pretty_json

if TYPE_CHECKING:
    from planner.documents import Filled

NOT_APPLYABLE = 3
EPILOG = """
\b
Examples:
  adapt plan spec.json
  adapt plan spec.yaml --out plans/first.json --set constraints.max_hours=2
  adapt plan spec.json --rules house.toml
  adapt plan spec.json --json | jq .decisions
  adapt plan --from-run plan.json --out next.json
"""


@click.command(epilog=EPILOG)
@click.argument("spec", type=click.Path(path_type=Path), required=False)
@click.option(
    "--from-run",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Plan the next step from what a run tried and measured: a plan's file, or its folder .adapt.",
)
@click.option(
    "--out", type=click.Path(path_type=Path), help="Where the plan goes; plan.json beside the spec by default."
)
@click.option("--set", "changes", multiple=True, metavar="A.B=VALUE", help="Change a field of the spec; repeatable.")
@click.option("--hardware", help="Plan for this hardware, such as `a10g` or `8xh100`, instead of the spec's.")
@click.option(
    "--rules",
    "books",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Decide with a rule book of your own too; repeatable, the first one goes first.",
)
@click.option(
    "--json", "as_json", is_flag=True, help="Print the plan on standard output; write a file only with --out."
)
def command(
    spec: Path | None,
    from_run: Path | None,
    out: Path | None,
    changes: tuple[str, ...],
    hardware: str | None,
    books: tuple[Path, ...],
    *,
    as_json: bool,
) -> None:
    """Decide how to adapt a model, and write the plan.

    SPEC is a JSON, YAML or TOML file; `{"task": {"description": "..."}, "models": [{"id": "..."}]}` is enough.
    With --from-run it is the spec of a plan that was run, with what the run tried, measured and diagnosed.
    Exit code 3 when nothing can satisfy the spec; the plan then says what would.
    """
    import adapt
    from planner.relocating import relocated

    source = _source(spec, from_run, changed=bool(changes or books) or hardware is not None)
    target = out or (None if as_json else source.folder / "plan.json")
    if target is not None:
        _check_target(target, spec)
    _edit(source.spec, source.folder, changes, hardware, books)
    here = None if isinstance(source.spec, Path) else source.folder
    document = adapt.plan(source.spec, folder=here, known=source.filled)
    if target is not None:
        document = relocated(document, source.folder, target.parent)
        adapt.save(document, target)
    if as_json:
        click.echo(pretty_json(document.to_json()), nl=False)
    else:
        _show(document, target)
    if not document.status.applyable:
        raise click.exceptions.Exit(NOT_APPLYABLE)


class _Source(NamedTuple):
    """What is planned: a spec's file as it is, or the values of one that is changed or comes from a run."""

    spec: Any
    folder: Path
    filled: tuple[Filled, ...] = ()


def _source(spec: Path | None, from_run: Path | None, *, changed: bool) -> _Source:
    if from_run is not None and spec is None:
        from adapt.from_run import spec_of_run

        known = spec_of_run(from_run)
        return _Source(known.spec.to_json(), known.folder, known.filled)
    if spec is None or from_run is not None:
        raise click.UsageError("Name a spec, or a run with --from-run.")
    if not changed:
        return _Source(spec, spec.parent)
    from planner.survey.plain_text import read_text
    from planner.survey.spec_syntax import parse_text

    return _Source(parse_text(read_text(spec, str(spec), code="SPEC"), str(spec)), spec.parent)


def _edit(values: Any, folder: Path, changes: tuple[str, ...], hardware: str | None, books: tuple[Path, ...]) -> None:
    """Change some fields of a spec's values; a spec that is left as it is stays a file."""
    for change in changes:
        _change(values, change)
    if hardware is not None and isinstance(values, dict):
        values["hardware"] = hardware
    if books and isinstance(values, dict):
        # The spec in the plan names them, so that the plan can be made again.
        named = [Path(os.path.relpath(book, folder)).as_posix() for book in books]
        own = values.get("rule_books", [])
        values["rule_books"] = [*named, *(each for each in own if each not in named)] if isinstance(own, list) else own


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
    try:
        values[keys[-1]] = yaml.safe_load(text)
    except yaml.YAMLError:
        message = f"The value of --set {pair} cannot be read."
        raise InputError.one("CLI001", message, "Write it as in YAML; put text with signs in quotes.") from None


def _check_target(target: Path, spec: Path | None) -> None:
    """Refuse a place where a plan cannot or must not go, before any work is done."""
    problem = ""
    if spec is not None and target.resolve() == spec.resolve():
        problem = f"{target} is the spec itself."
    elif not target.parent.is_dir():
        problem = f"The folder {target.parent} is not there."
    elif target.is_dir():
        problem = f"{target} is a folder."
    elif not os.access(target.parent, os.W_OK):
        problem = f"The folder {target.parent} cannot be written."
    elif target.exists() and not _is_plan(target):
        problem = f"{target} is there already, and it is not a plan."
    if problem:
        raise InputError.one("CLI002", problem, "Name another file with --out.")


def _is_plan(path: Path) -> bool:
    """Whether a file may be replaced by a new plan: an older plan, or nothing at all."""
    try:
        content = json.loads(path.read_text(encoding="utf-8") or "{}")
    except (OSError, ValueError):
        return False
    return not content or (isinstance(content, dict) and str(content.get("format", "")).startswith("adapt.plan/"))


def _show(document: Plan, target: Path | None) -> None:
    from adapt.cli.console import err, out
    from adapt.render.plan import plan

    out().print(plan(document))
    if target is not None:
        name = shlex.quote(str(target))
        allowed = "".join(f" --allow-path {shlex.quote(str(each))}" for each in _outside(document, target.parent))
        then = f", then adapt run {name}{allowed}" if document.status.applyable else ""
        said = f"\nWritten to {target}. Next: adapt explain {name}{then}"
        err().print(said, soft_wrap=True)


def _outside(document: Plan, folder: Path) -> list[Path]:
    """The folders outside of the plan's own that it reads; a run must be allowed to."""
    files = [folder / pin.path for pin in document.pins.values() if ":" not in pin.path]
    parents = {file.parent for file in files if not file.resolve().is_relative_to(folder.resolve())}
    return sorted(parents)
