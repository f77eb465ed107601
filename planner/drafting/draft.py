"""Draws up a first spec: what the user said, what the data tells, and guesses for the rest."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.documents import Spec, validate
from planner.drafting.document import Answers, Draft, Guess
from planner.drafting.guessing import SENTENCES, guess_task
from planner.drafting.reading import read_files
from planner.survey import look_at_hardware
from planner.survey.metrics import default_metrics
from planner.survey.model_files import look_at_model
from planner.survey.normalise import MOST
from planner.survey.problems import raise_errors

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import JsonValue
    from planner.drafting.reading import Read

DATA_FLAGS = ("train", "validation", "test", "preferences", "documents")
# Three sizes of one family whose licence allows every use: the planner takes the strongest that the hardware holds.
MODELS = ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen/Qwen2.5-1.5B-Instruct", "Qwen/Qwen2.5-7B-Instruct")
FEW_TEST_ROWS = 100


def draft(files: Mapping[str, Path], folder: Path, answers: Answers | None = None) -> Draft:
    """A spec that can be planned as it is.

    Args:
        files: role to data file; the role `data` is a file whose role is to be guessed.
        folder: where the spec will lie; its paths start there.
        answers: what the user said; the rest is guessed.

    Raises:
        InputError: a file cannot be used; with every problem at once.
    """
    said = answers or Answers()
    read = read_files(files, folder)
    guesses: dict[str, Guess] = {}

    def field(pointer: str, stated: JsonValue, guess: JsonValue, because: str) -> JsonValue:
        """The stated value, or the guess, which is then noted."""
        if stated not in (None, (), [], {}):
            return stated
        guesses[pointer] = Guess(pointer=pointer, value=guess, because=because)
        return guess

    spec: dict[str, Any] = {"name": said.name} if said.name else {}
    spec["task"] = _task(said, read, field)
    if read.paths:
        spec["data"] = {
            role: field(f"/data/{role}", None if role in read.guessed else path, path, read.guessed.get(role, ""))
            for role, path in read.paths.items()
        }
    because = "three sizes of a family whose licence allows every use; the planner takes the strongest that fits"
    models = field("/models", list(said.models), list(MODELS), because)
    spec["models"] = [_model(str(model), folder) for model in models] if isinstance(models, list) else []
    spec["hardware"] = field("/hardware", said.hardware, "auto", "the machine that plans is the machine that trains")
    spec["evaluation"] = _evaluation(said, read, spec["task"], field)
    _check(validate(Spec, spec, code="INIT"), folder)
    return Draft(
        spec=spec,
        guesses=tuple(guesses.values()),
        notes=tuple(_notes(said, read)),
        findings=read.findings,
    )


def _model(word: str, folder: Path) -> dict[str, str]:
    """A model by its id, or by the place of its files."""
    path = Path(word)
    if not path.exists():
        return {"id": word}
    return {"id": path.absolute().name, "path": os.path.relpath(path, folder).replace(os.sep, "/")}


def _check(spec: Spec, folder: Path) -> None:
    """Refuse models and hardware that nobody knows, while they can still be corrected."""
    findings = [item for index, each in enumerate(spec.models) for item in look_at_model(each, folder, index=index)[1]]
    if spec.hardware != "auto":
        look_at_hardware(spec.hardware, folder)
    raise_errors(findings)


def _task(said: Answers, read: Read, field: Any) -> dict[str, Any]:
    """The task, from the rows when there are any."""
    role = next((role for role in DATA_FLAGS if role in read.surveys), None)
    guess = guess_task(read.rows, read.surveys[role]) if read.rows is not None and role is not None else None
    if guess is None:
        kind = "question-answering" if "documents" in read.paths else "generation"
        because = (
            "documents mostly serve to answer questions" if "documents" in read.paths else "nothing is known of it"
        )
        kind = field("/task/kind", said.kind, kind, because)
        made = "it follows from the kind; your own words are better"
        return {
            "description": field("/task/description", said.description, SENTENCES[kind], made),
            "kind": kind,
            "output": {"format": field("/task/output/format", said.output_format, "text", "nothing says otherwise")},
        }
    task = {
        "description": field("/task/description", said.description, guess.description, guess.description_because),
        "kind": field("/task/kind", said.kind, guess.kind, guess.kind_because),
    }
    form = field("/task/output/format", said.output_format, guess.output["format"], guess.output_because["format"])
    output = {"format": form}
    if form == guess.output["format"]:
        details = {name: value for name, value in guess.output.items() if name != "format"}
        output |= {
            name: field(f"/task/output/{name}", None, value, guess.output_because[name])
            for name, value in details.items()
        }
    return task | {"output": output}


def _evaluation(said: Answers, read: Read, task: dict[str, Any], field: Any) -> dict[str, Any]:
    output = task["output"]
    metrics, because = default_metrics(
        task["kind"],
        output["format"],
        has_schema="schema" in output,
        has_final_answers=any((each.reasoned_share or 0.0) >= MOST for each in read.surveys.values()),
    )
    stated = list(said.metrics or said.target)
    made: dict[str, Any] = {"metrics": field("/evaluation/metrics", stated, list(metrics), because)}
    if said.target:
        made["target"] = dict(said.target)
    return made


def _notes(said: Answers, read: Read) -> list[str]:
    """What is missing, most important first."""
    notes = []
    if not said.target:
        notes.append("There is no target: say what score is good enough, as evaluation.target.")
    has_rows = {"train", "preferences"} & set(read.paths)
    test = read.surveys.get("test")
    if has_rows and test is None:
        split = "adapt init --split sets some aside" if "train" in read.paths else "set some aside"
        notes.append(f"There is one data file and no test data: {split}, or give --test.")
    elif test is not None and (test.rows or 0) < FEW_TEST_ROWS:
        notes.append(f"There are {test.rows} test rows: scores on so few are rough.")
    if not read.paths:
        notes.append("There is no data: give the file with your examples.")
    return notes
