"""`adapt review`: what is wrong with configurations that people wrote for other tools."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from planner.documents import InputError, pretty_json
from planner.documents.review import RANK

if TYPE_CHECKING:
    from planner.documents import AdaptError, Findings, Severity

BAD_INPUT = 2
FOUND = 3
# Files passed over that are named; the others are counted.
NAMED = 5
FORMATS = ("terminal", "markdown", "json", "sarif", "junit")
EPILOG = """
\b
Examples:
  adapt review train.yml
  adapt review configs/ --hardware a10g --fail-on warning
  adapt review adapter_config.json --data train.jsonl --json
  adapt review configs/*.yaml --format sarif --out adapt.sarif
  adapt review configs/ --write-baseline adapt-baseline.json
  adapt review configs/ --baseline adapt-baseline.json --format markdown
"""


@click.command(epilog=EPILOG)
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--model", metavar="PATH_OR_ID", help="The model, where the file does not name one that is known.")
@click.option("--hardware", metavar="NAME", help="Say whether it fits there: a10g, 24gb, 8xh100.")
@click.option(
    "--data",
    multiple=True,
    metavar="[ROLE=]FILE_OR_ROWS",
    help="The training data, or how many rows it has; test=FILE, validation=FILE too; repeatable.",
)
@click.option("--rules", type=click.Path(path_type=Path), multiple=True, help="A rule book of your own; repeatable.")
@click.option("--format", "form", type=click.Choice(FORMATS), default="terminal", help="How to print the findings.")
@click.option("--json", "as_json", is_flag=True, help="Short for --format json.")
@click.option("--out", type=click.Path(path_type=Path), metavar="FILE", help="Write there, whole or not at all.")
@click.option(
    "--fail-on",
    type=click.Choice(("error", "warning", "note", "never")),
    default="error",
    help="Exit with code 3 at a finding of this severity or worse; error by default.",
)
@click.option("--min-severity", type=click.Choice(tuple(RANK)), default="note", help="Leave lesser findings out.")
@click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE", help="Findings that are known.")
@click.option("--write-baseline", type=click.Path(path_type=Path), metavar="FILE", help="Write what is found as known.")
@click.option("--skip-unknown", is_flag=True, help="Pass over files that are no configuration, as in a folder.")
def command(
    files: tuple[Path, ...],
    out: Path | None,
    fail_on: str,
    baseline: Path | None,
    write_baseline: Path | None,
    *,
    skip_unknown: bool,
    **values: Any,
) -> None:
    """Say what is wrong with configurations that people wrote: FILE by FILE, each finding with its reason and cure.

    FILE is a YAML, JSON or TOML file of TRL or transformers, Axolotl, LLaMA-Factory, PEFT (adapter_config.json),
    mergekit, or a spec or plan of adapt; or a folder with such files.

    Exit code 3 when a finding is as bad as --fail-on, or worse; 2 when a file cannot be read.
    """
    import adapt
    from adapt.render.review_words import unread
    from planner.review.folders import files_in, without_unknown

    for target in (out, write_baseline):
        _check_target(target, files)
    paths, from_folders = files_in(files)
    if not paths:
        raise _nothing(files)
    given = {name: values[name] for name in ("model", "hardware", "rules")}
    result = adapt.review(paths, data=_data(values["data"]), **given)
    result, skipped = without_unknown(result, None if skip_unknown else from_folders)
    if not (result.files or result.findings or skip_unknown):
        raise _nothing(files)
    result = _compared(result, baseline, write_baseline)
    severity = None if fail_on == "never" else cast("Severity", fail_on)
    shown = result.model_copy(update={"findings": result.at_least(values["min_severity"])})
    _deliver(shown, "json" if values["as_json"] else values["form"], out, severity, values["rules"])
    if skipped:
        more = f" and {len(skipped) - NAMED} more" if len(skipped) > NAMED else ""
        names = ", ".join(skipped[:NAMED])
        click.echo(f"Passed over {len(skipped)} that are no configuration: {names}{more}", err=True)
    if unread(result):
        raise click.exceptions.Exit(BAD_INPUT)
    if write_baseline is None and severity is not None and result.at_least(severity):
        raise click.exceptions.Exit(FOUND)


def _nothing(folders: tuple[Path, ...]) -> AdaptError:
    names = ", ".join(str(folder) for folder in folders)
    fix = "Name a file to learn why it is passed over."
    return InputError.one("CONF002", f"No configuration of a known tool lies in {names}.", fix, file=names)


def _data(words: tuple[str, ...]) -> dict[str, str | int] | None:
    """Data sets by role from `rows.jsonl`, `5000` and `test=test.jsonl`; a word without a role is training data."""
    from planner.documents import Data

    found: dict[str, str | int] = {}
    for word in words:
        role, equals, source = word.partition("=")
        if not equals or role not in Data.model_fields:
            role, source = "train", word
        found[role] = int(source) if source.isdecimal() else source
    return found or None


def _compared(result: Findings, baseline: Path | None, write_baseline: Path | None) -> Findings:
    """The findings without those that the baseline knows; a new baseline is written before they are shown."""
    from planner.review.baseline import apply_baseline, new_baseline, read_baseline

    if baseline is not None:
        result = apply_baseline(result, read_baseline(baseline), baseline)
    if write_baseline is not None:
        from executors.files import write_atomic

        before = read_baseline(write_baseline) if write_baseline.exists() else None
        document = new_baseline(result, write_baseline, before)
        write_atomic(write_baseline, pretty_json(document.to_json()))
        click.echo(f"Wrote {len(document.known)} known findings to {write_baseline}.", err=True)
    return result


def _deliver(result: Findings, form: str, out: Path | None, fail_on: Severity | None, rules: tuple[Path, ...]) -> None:
    """Print the review, or write it whole."""
    from adapt.cli.console import out as console

    if form == "terminal" and out is None:
        from adapt.render.review import review

        console().print(review(result))
        return
    text = _rendered(result, form, fail_on, rules)
    if out is None:
        click.echo(text, nl=False)
        return
    from adapt.render.review_words import summary
    from executors.files import write_atomic

    write_atomic(out, text)
    click.echo(f"{summary(result)}. Written to {out}.", err=True)


def _rendered(result: Findings, form: str, fail_on: Severity | None, rules: tuple[Path, ...]) -> str:
    if form == "json":
        return pretty_json(result.to_json())
    if form == "markdown":
        from adapt.render.review_markdown import review_markdown

        return review_markdown(result)
    if form == "junit":
        from adapt.render.junit import junit

        return junit(result, fail_on)
    if form == "sarif":
        from adapt.render.sarif import sarif
        from planner.planning import planner_version
        from planner.rules import review_book, user_books

        books = (review_book(), *user_books(rules))
        names = {rule.id: rule.name for book in books for rule in book.rules}
        return sarif(result, names, planner_version(), Path())
    from adapt.render.review import review_text

    return review_text(result)


def _check_target(target: Path | None, files: tuple[Path, ...]) -> None:
    """Refuse a place where nothing can or must be written, before any work is done."""
    if target is None:
        return
    problem = ""
    if any(target.resolve() == file.resolve() for file in files):
        problem = f"{target} is one of the files to review."
    elif target.exists() and not target.is_file():
        problem = f"{target} is a folder, a device or a pipe."
    elif not target.parent.is_dir():
        problem = f"The folder {target.parent} is not there."
    elif not os.access(target.parent, os.W_OK):
        problem = f"The folder {target.parent} cannot be written."
    if problem:
        raise InputError.one("CLI002", problem, "Name another file.")
