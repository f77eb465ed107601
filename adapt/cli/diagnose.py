"""`adapt diagnose`: why answers fail, from results that people already have."""

from __future__ import annotations

import json
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from adapt.cli.formats import format_options, show
from planner.documents import Endpoint, InputError, pretty_json, validate
from planner.documents.task import OutputFormat, TaskKind

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from executors.diagnose.examine import Answered
    from executors.diagnose.session import Wanted
    from executors.evaluate.case import AnswerForm
    from planner.documents import Event

EPILOG = """
\b
Examples:
  adapt diagnose predictions.jsonl
  adapt diagnose promptfoo-results.json --documents manuals/ --out failures.json
  adapt diagnose samples_squad.jsonl --kind question-answering --format markdown
  adapt diagnose eval.json --model models/base --train train.jsonl --documents corpus.jsonl
  adapt diagnose queries.jsonl --database shop.sqlite
  adapt diagnose eval.json --endpoint http://localhost:8000/v1 my-model --documents corpus.jsonl
"""
PATH = click.Path(path_type=Path)


@click.command(epilog=EPILOG)
@click.argument("files", type=PATH, nargs=-1, required=True)
@click.option("--kind", type=click.Choice(get_args(TaskKind)), metavar="KIND", help="Kind of task.")
@click.option(
    "--output-format", type=click.Choice(get_args(OutputFormat)), metavar="FORMAT", help="Form of the answers."
)
@click.option("--schema", type=PATH, help="JSON Schema that answers should satisfy.")
@click.option("--labels", metavar="A,B,...", help="The closed set of labels.")
@click.option("--documents", type=PATH, help="Documents that may hold the answers: a file or a folder.")
@click.option("--database", type=PATH, help="SQLite file to run queries on, or a folder of them by `db_id`.")
@click.option("--model", type=PATH, help="Folder of the model that answered: experiments are made with it.")
@click.option(
    "--endpoint", type=(str, str), metavar="URL MODEL", help="OpenAI-compatible server of the model that answered."
)
@click.option("--api-key-env", metavar="NAME", help="Environment variable with the key of --endpoint.")
@click.option("--prompt", type=PATH, help="What stood before every request: a prompt of adapt, or a text file.")
@click.option("--train", type=PATH, help="Rows to take examples from.")
@click.option("--stronger", type=PATH, help="Folder of a stronger model.")
@click.option("--stronger-endpoint", type=(str, str), metavar="URL MODEL", help="Server of a stronger model.")
@click.option("--stronger-key-env", metavar="NAME", help="Environment variable with the key of --stronger-endpoint.")
@click.option("--limit", type=click.IntRange(min=1), default=60, help="Failing cases to make experiments on; 60.")
@click.option("--passages", type=click.IntRange(min=1), default=3, help="Passages that a search gives; 3.")
@click.option("--max-new-tokens", type=click.IntRange(min=1), help="Longest answer of the model.")
@click.option("--seed", type=int, default=0, help="Seed of the draw; 0.")
@click.option("--keep", type=PATH, help="Folder that keeps the model's answers: a killed diagnosis goes on there.")
@click.option("--out", type=PATH, help="Write the failure report there, for `failures` of a spec.")
@click.option("--cases", "shown", type=click.IntRange(min=0), default=10, help="Failing cases to print; 10.")
@format_options
def command(files: tuple[Path, ...], out: Path | None, shown: int, form: str, **given: Any) -> None:
    """Say why the answers in FILES fail: missing information, retrieval, behaviour or the model's ability.

    FILES are rows with a question, the expected and the given answer (JSON Lines or JSON), predictions of `adapt run`,
    outputs of promptfoo, samples of lm-evaluation-harness, or Inspect logs; which they are is recognised. Without a
    model the text tells what it can; with --documents a search tells whether they hold the answers; with --model or
    --endpoint experiments tell the causes.
    """
    from adapt.cli.console import err
    from adapt.render.failures import failures
    from executors.diagnose.results import read_results
    from executors.diagnose.session import diagnose_results

    if out is not None and not out.parent.is_dir():
        raise _error(f"The folder {out.parent} is not there.", "Name another place with --out.", out)
    read = [(path, read_results(path)) for path in files]
    answered = _together([(path, results.answered) for path, results in read])
    if given["database"] is not None:
        answered = [_on_database(each, given["database"]) for each in answered]
    wanted = _wanted(answered, given)
    source = ", ".join(f"{path.name} ({results.tool})" for path, results in read)
    err().print(f"{source}: {len(answered)} cases, read as {wanted.kind} with {wanted.form.format} answers.")
    skipped = sum(results.skipped for _, results in read)
    if skipped:
        err().print(f"{skipped} cases have no expected answer or no answer at all, and are left out.")
    if wanted.inputs is not None and given["prompt"] is None:
        err().print("Without --prompt the model is asked without the instruction that it may have had.")
    with _quiet():
        report = diagnose_results(source, answered, wanted, _tell)
    if out is not None:
        from executors.files import write_atomic

        write_atomic(out, pretty_json(report.to_json()))
    show(form, report, lambda: failures(report, shown))


def _together(read: list[tuple[Path, tuple[Answered, ...]]]) -> list[Answered]:
    """The cases of all files; of several, each id starts with its file's name."""
    from dataclasses import replace

    if len(read) == 1:
        return list(read[0][1])
    return [
        replace(each, row=replace(each.row, id=f"{number}-{path.stem}/{each.row.id}"))
        for number, (path, answered) in enumerate(read, 1)
        for each in answered
    ]


def _on_database(each: Answered, path: Path) -> Answered:
    """A case whose answer is a query, right by the rows that it returns."""
    from dataclasses import replace

    from executors.evaluate.database import database_of

    if not path.exists():
        raise _error("The --database is not there.", "Name an SQLite file, or a folder of them.", path)
    return replace(each, database=database_of(path, each.row.db_id, each.row.id))


def _wanted(answered: list[Answered], given: Mapping[str, Any]) -> Wanted:
    from executors.diagnose.session import Wanted, guess_kind

    form = _form(answered, given)
    if given["model"] is not None and given["endpoint"] is not None:
        raise _error("--model and --endpoint both say who answers.", "Give one of them.")
    asks = given["model"] is not None or given["endpoint"] is not None
    for name in ("prompt", "train", "stronger", "stronger_endpoint", "keep"):
        if given[name] is not None and not asks:
            option = name.replace("_", "-")
            raise _error(f"--{option} is for experiments with a model.", "Give --model or --endpoint as well.")
    return Wanted(
        form,
        given["kind"] or guess_kind(answered, form),
        documents=given["documents"],
        inputs=_inputs(given) if asks else None,
        endpoint=_endpoint(given["endpoint"], given["api_key_env"]),
        stronger_endpoint=_endpoint(given["stronger_endpoint"], given["stronger_key_env"]),
        keep=given["keep"],
        limit=given["limit"],
        passages=given["passages"],
        max_new_tokens=given["max_new_tokens"],
        seed=given["seed"],
    )


def _form(answered: list[Answered], given: Mapping[str, Any]) -> AnswerForm:
    from executors.diagnose.session import guess_format
    from executors.evaluate.case import AnswerForm

    labels = tuple(dict.fromkeys(word.strip() for word in (given["labels"] or "").split(",") if word.strip()))
    schema = _schema(given["schema"]) if given["schema"] is not None else None
    guessed = "label" if labels and schema is None else "json" if schema is not None else guess_format(answered)
    guessed = "sql" if given["database"] is not None else guessed
    chosen = given["output_format"] or guessed
    if chosen == "label" and not labels:
        raise _error("Labels are diagnosed against a closed set.", "Give them with --labels a,b,c.")
    return AnswerForm(chosen, schema, labels)


def _schema(path: Path) -> dict[str, Any]:
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _error("The schema cannot be read as JSON.", "Name a file with a JSON Schema.", path) from error
    if not isinstance(schema, dict):
        raise _error("The schema is no JSON object.", "Name a file with a JSON Schema.", path)
    return schema


def _inputs(given: Mapping[str, Any]) -> dict[str, Path | str]:
    """The files that experiments read, each of which must be there."""
    inputs: dict[str, Path | str] = {}
    for name in ("model", "stronger", "train", "prompt"):
        path = given[name]
        if path is None:
            continue
        is_there = (path / "config.json").is_file() if name in ("model", "stronger") else path.is_file()
        if not is_there:
            fix = (
                "Name a folder with config.json and weights." if name in ("model", "stronger") else "Correct the path."
            )
            raise _error(f"The --{name} is not there.", fix, path)
        inputs[name] = path
    return inputs


def _endpoint(given: tuple[str, str] | None, key: str | None) -> Endpoint | None:
    """A server by its address and the name of its model."""
    if given is None:
        return None
    url, model = given
    return validate(Endpoint, {"url": url, "model": model, "api_key_env": key}, code="DIAG")


@contextmanager
def _quiet() -> Iterator[None]:
    """Let libraries that load a model keep their log lines and progress bars to themselves."""
    import logging
    import os

    from executors.places.environment import worker_environment

    added = worker_environment(os.environ, offline=False)
    os.environ.update(added)
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
        for name in added:
            os.environ.pop(name, None)


def _tell(event: Event) -> None:
    from adapt.cli.console import err

    if event.done == event.total:
        err().print(f"{event.message}: {event.total:g} {event.unit}")


def _error(message: str, fix: str, path: Path | None = None) -> Exception:
    return InputError.one("DIAG013", message, fix, file=str(path) if path else None)
