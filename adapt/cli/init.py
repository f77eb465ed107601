"""`adapt init`: a first spec from a data file and a few questions."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from planner.documents import InputError, pretty_json
from planner.documents.task import OutputFormat, TaskKind

if TYPE_CHECKING:
    from planner.drafting import Answers, Draft, Guess

EPILOG = """
\b
Examples:
  adapt init train.jsonl
  adapt init train.jsonl --yes && adapt plan spec.yaml
  adapt init rows.jsonl --split --model gpt2 --hardware a10g --target label_accuracy=0.9
  adapt init --description "Answer from our manuals" --documents manuals/ --yes
"""
LONGEST_VALUE = 100
# Pointer of the guess, the answer's name, and what is asked.
QUESTIONS = {
    "/task/description": ("description", "What shall the model do"),
    "/task/kind": ("kind", f"Which kind of task is it ({', '.join(get_args(TaskKind))})"),
    "/models": ("models", "Which models may be used (ids or folders, with commas between)"),
    "/hardware": ("hardware", "Which hardware (auto for this machine, or a name such as a10g, 8xh100)"),
}


@click.command(epilog=EPILOG)
@click.argument("data", type=click.Path(path_type=Path), required=False)
@click.option("--train", type=click.Path(path_type=Path), help="Rows to train on.")
@click.option("--validation", type=click.Path(path_type=Path), help="Rows to choose by.")
@click.option("--test", type=click.Path(path_type=Path), help="Rows to measure on.")
@click.option("--preferences", type=click.Path(path_type=Path), help="Rows that compare two answers.")
@click.option("--documents", type=click.Path(path_type=Path), help="Documents to look things up in: a file or folder.")
@click.option("--name", help="Short id of the task.")
@click.option("--description", help="What the model shall do, in a sentence.")
@click.option("--kind", type=click.Choice(get_args(TaskKind)), metavar="KIND", help="Kind of task.")
@click.option(
    "--output-format", type=click.Choice(get_args(OutputFormat)), metavar="FORMAT", help="Form of the answers."
)
@click.option("--model", "models", multiple=True, metavar="ID", help="A model that may be used; repeatable.")
@click.option("--hardware", help="auto, or a name such as `a10g` or `8xh100`.")
@click.option("--metric", "metrics", multiple=True, metavar="NAME", help="A metric to measure by; repeatable.")
@click.option("--target", "targets", multiple=True, metavar="NAME=VALUE", help="A score that is enough; repeatable.")
@click.option("--split", is_flag=True, help="Set rows of DATA aside: write files for training, validation and test.")
@click.option("--out", type=click.Path(path_type=Path), help="Where the spec goes; spec.yaml by default.")
@click.option(
    "--format", "form", type=click.Choice(["yaml", "json"]), help="YAML with the guesses as comments, or JSON."
)
@click.option("--yes", is_flag=True, help="Ask nothing: take every guess.")
@click.option("--force", is_flag=True, help="Replace files that are there.")
@click.option("--json", "as_json", is_flag=True, help="Print the spec with its guesses as JSON; asks nothing.")
def command(  # noqa: PLR0913 - one argument an option
    data: Path | None,
    models: tuple[str, ...],
    metrics: tuple[str, ...],
    targets: tuple[str, ...],
    out: Path | None,
    form: str | None,
    *,
    split: bool,
    yes: bool,
    force: bool,
    as_json: bool,
    **words: str | Path | None,
) -> None:
    """Write a first spec from DATA, a file with your examples (JSON Lines) or a folder of documents.

    Whatever nobody states is guessed from the data, and marked as a guess. Files beside DATA that are named like
    `validation.jsonl` or `test.jsonl` are taken along.
    """
    from planner.drafting import DATA_FLAGS, Answers, draft

    target = out or Path(f"spec.{form or 'yaml'}")
    is_json = form == "json" or (form is None and target.suffix.lower() == ".json")
    files = {role: path for role in DATA_FLAGS if isinstance(path := words.pop(role), Path)}
    if data is not None:
        files["data"] = data
    parts = _parts(files, target) if split else {}
    _check_places((target, *parts.values()), force=force)
    stated = Answers.model_validate(
        {
            **{name: word for name, word in words.items() if word},
            "models": models,
            "metrics": metrics,
            "target": _targets(targets),
        }
    )
    found = draft(files, target.parent, stated)
    if not (yes or as_json):
        stated = _ask(found, stated)
    if parts:
        _split(files, parts)
        files = {role: path for role, path in files.items() if role not in ("data", "train")} | parts
    found = draft(files, target.parent, stated)
    found = found.model_copy(update={"written": tuple(map(str, (*parts.values(), target)))})
    _write(target, found, is_json=is_json)
    if as_json:
        click.echo(pretty_json(found.to_json()), nl=False)
    else:
        _tell(found, target, with_guesses=is_json)


def _check_places(targets: tuple[Path, ...], *, force: bool) -> None:
    """Refuse what cannot be written, before anything is read."""
    for target in targets:
        problem, fix = "", "Name another place with --out."
        if not target.parent.is_dir():
            problem = f"The folder {target.parent} is not there."
        elif target.is_dir():
            problem = f"{target} is a folder."
        elif not os.access(target.parent, os.W_OK):
            problem = f"The folder {target.parent} cannot be written."
        elif target.exists() and not force:
            problem, fix = f"{target} is there already.", "Name another place with --out, or replace it with --force."
        if problem:
            raise InputError.one("INIT003", problem, fix, file=str(target))


def _parts(files: dict[str, Path], target: Path) -> dict[str, Path]:
    """Where the parts of the split go: beside the spec, named after the data."""
    source = files.get("train", files.get("data"))
    if source is None or not source.is_file():
        message = "--split needs one file of rows to split."
        raise InputError.one("INIT004", message, "Give it as DATA, or with --train.")
    taken = [role for role in ("validation", "test") if role in files]
    if taken:
        message = f"--split makes the {' and '.join(taken)} data, and --{taken[0]} gives one."
        raise InputError.one("INIT004", message, "Leave one of the two out.")
    roles = ("train", "validation", "test")
    return {role: target.parent / f"{source.stem}-{role}.jsonl" for role in roles}


def _split(files: dict[str, Path], parts: dict[str, Path]) -> None:
    from executors.files import write_atomic
    from planner.drafting import split_rows

    rows = split_rows(files.get("train") or files["data"])
    for role, path in parts.items():
        lines = (json.dumps(row, ensure_ascii=False) for row in getattr(rows, role))
        write_atomic(path, "".join(f"{line}\n" for line in lines))


def _targets(pairs: tuple[str, ...]) -> dict[str, float]:
    """The scores that are enough, by metric."""
    found = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        try:
            found[name.strip()] = float(text)
        except ValueError:
            equals = ""
        if not equals or not name.strip():
            raise InputError.one("INIT005", f"{pair} is not of the form NAME=VALUE.", "Such as label_accuracy=0.9.")
    return found


def _ask(found: Draft, stated: Answers) -> Answers:
    """The user's answers, each with the guess as what Enter says."""
    said: dict[str, Any] = {}
    guesses = {guess.pointer: guess for guess in found.guesses}
    for pointer, (field, question) in QUESTIONS.items():
        if pointer in guesses:
            said[field] = _one(question, guesses[pointer])
    if "models" in said:
        said["models"] = tuple(word.strip() for word in said["models"].split(",") if word.strip())
    if not stated.target:
        metric = found.spec["evaluation"]["metrics"][0]
        text = click.prompt(f"Which score is enough, such as {metric}=0.9 (empty: not known)", default="", err=True)
        said["target"] = _targets((text,)) if text.strip() else {}
    return stated.model_copy(update=said)


def _one(question: str, guess: Guess) -> str:
    shown = ", ".join(map(str, guess.value)) if isinstance(guess.value, list) else str(guess.value)
    kind = click.Choice(get_args(TaskKind)) if guess.pointer == "/task/kind" else None
    asked = click.prompt(question, default=shown, type=kind, show_choices=False, err=True)
    return str(asked)


def _write(target: Path, found: Draft, *, is_json: bool) -> None:
    from executors.files import write_atomic
    from planner.drafting import spec_as_yaml

    write_atomic(target, pretty_json(found.spec) if is_json else spec_as_yaml(found))


def _tell(found: Draft, target: Path, *, with_guesses: bool) -> None:
    """Where the spec is, what was guessed and what to add: to standard error."""
    from adapt.cli.console import err
    from adapt.render.findings import findings

    if with_guesses:
        for guess in found.guesses:
            text = json.dumps(guess.value, ensure_ascii=False)
            shown = text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}..."
            err().print(f"guess: {guess.pointer} is {shown}, because {guess.because}", soft_wrap=True)
    if found.findings:
        err().print(findings(found.findings), soft_wrap=True)
    for note in found.notes:
        err().print(note, soft_wrap=True)
    count = len(found.guesses)
    guesses = f", with {count} guesses to check" if count > 1 else ", with one guess to check" if count else ""
    name = shlex.quote(str(target))
    err().print(f"Written to {', '.join(found.written)}{guesses}. Next: adapt plan {name}", soft_wrap=True)
