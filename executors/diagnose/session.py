"""A diagnosis of results that people already have, without a plan: what is not said is guessed."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from executors.contract import Job
from executors.diagnose.causes import repeated
from executors.diagnose.examine import Means, examine
from executors.diagnose.executor import DiagnoseParams
from executors.diagnose.lookup import PASSAGES, open_index
from executors.json_answers import parse_strict

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from executors.diagnose.answerer import ModelAnswers
    from executors.diagnose.examine import Answered
    from executors.evaluate.case import AnswerForm
    from planner.documents import Endpoint, Event, FailureReport
    from planner.documents.task import OutputFormat, TaskKind

# A token has about four characters, and an answer may be twice as long as the longest expected one.
CHARACTERS_A_TOKEN = 4
FEWEST_TOKENS, MOST_TOKENS = 24, 512


@dataclass(frozen=True)
class Wanted:
    """What the user says of the task, and what there is to make experiments with."""

    form: AnswerForm
    kind: TaskKind
    documents: Path | None = None
    inputs: Mapping[str, Path | str] | None = None
    """`model` (or an endpoint), and perhaps `prompt`, `train` and `stronger`; None where no model is asked."""
    endpoint: Endpoint | None = None
    """The server that answers, in place of a `model`."""
    stronger_endpoint: Endpoint | None = None
    """The server of a stronger model, in place of `stronger`."""
    keep: Path | None = None
    """Folder for the answers of a model, so that a diagnosis that was killed goes on."""
    limit: int | None = 60
    passages: int = PASSAGES
    examples: int = 8
    max_new_tokens: int | None = None
    seed: int = 0


def guess_format(answered: Sequence[Answered]) -> OutputFormat:
    """JSON where every expected answer is a JSON object, else text."""
    values = [parse_strict(each.row.completion or "") for each in answered]
    return "json" if values and all(isinstance(value, dict) for value in values) else "text"


def guess_kind(answered: Sequence[Answered], form: AnswerForm) -> TaskKind:
    """By the form, else by the requests.

    Labels are a classification, JSON an extraction, queries a semantic parsing, questions a question-answering;
    anything else is a generation.
    """
    if form.format == "label":
        return "classification"
    if form.format in ("json", "sql"):
        return "extraction" if form.format == "json" else "semantic-parsing"
    asking = sum("?" in each.row.prompt for each in answered)
    return "question-answering" if 2 * asking >= len(answered) else "generation"


def diagnose_results(
    source: str, answered: Sequence[Answered], wanted: Wanted, report: Callable[[Event], None]
) -> FailureReport:
    """Find out why answers fail.

    Args:
        source: what is looked at, for the report.
        answered: questions with their answers; see `read_results`.
        wanted: the task, and what experiments can be made with.
        report: told how far the model is.

    Raises:
        InputError: documents, model, prompt or training rows cannot be read.
    """
    with ExitStack() as stack:
        folder = wanted.keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        index = None
        if wanted.documents is not None:
            index = open_index(wanted.documents, folder / "index", wanted.passages)
        model = _model(answered, wanted, folder, report)
        offered = model.offered() if model is not None else ()
        known = repeated(model.train) if model is not None else frozenset[str]()
        means = Means(wanted.kind, index, wanted.passages, answer=model, offered=offered, repeated=known)
        return examine(source, answered, wanted.form, means, limit=wanted.limit, seed=wanted.seed)


def _model(
    answered: Sequence[Answered], wanted: Wanted, folder: Path, report: Callable[[Event], None]
) -> ModelAnswers | None:
    if wanted.inputs is None:
        return None
    from executors.data import read_rows
    from executors.diagnose.answerer import ModelAnswers
    from executors.prompt.document import make_prompt, read_prompt

    longest = max(len(each.row.completion or "") for each in answered)
    tokens = min(MOST_TOKENS, max(FEWEST_TOKENS, 2 * longest // CHARACTERS_A_TOKEN))
    params = DiagnoseParams.model_validate(
        {
            "format": wanted.form.format,
            "schema": wanted.form.schema,
            "labels": list(wanted.form.labels) or None,
            "kind": wanted.kind,
            "limit": wanted.limit,
            "examples": wanted.examples,
            "passages": wanted.passages,
            "max_new_tokens": wanted.max_new_tokens or tokens,
            "endpoint": wanted.endpoint,
            "stronger_endpoint": wanted.stronger_endpoint,
            "seed": wanted.seed,
        }
    )
    inputs = wanted.inputs
    prompt = read_prompt(Path(inputs["prompt"])) if "prompt" in inputs else make_prompt("")
    train = tuple(read_rows(Path(inputs["train"]))) if "train" in inputs else ()
    job = Job("diagnose", params, inputs, folder, folder / "answers", report, folder / "cache")
    return ModelAnswers(job, wanted.form, prompt, {each.row.id: each.row for each in answered}, train)
