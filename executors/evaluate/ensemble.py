"""The executor that lets several models vote: of their answers to each case, the one that most of them say counts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.evaluate.backends import Answer
from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.database import database_of
from executors.evaluate.metrics import SCORES
from executors.evaluate.predictions import TOLD, read_predictions, told, write_predictions
from executors.evaluate.questions import normal_form, vote
from executors.evaluate.scoring import case_counts, case_scores, measure
from executors.inputs import missing_inputs
from executors.intervals import mean, proportion
from planner.documents import Estimate, Finding, InputError, Resources, Step, Where
from planner.documents.task import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Measurement
    from planner.documents.events import ErrorClass

MEMBER = "member"
# With two, every difference is a tie, which the first one wins.
FEWEST = 3
POOLED = ("macro_f1", "slot_f1")


class EnsembleParams(Params):
    """What is measured."""

    metrics: Annotated[list[str], Field(min_length=1)]
    """Metrics that follow from an answer and what was expected."""
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")]
    """JSON Schema that an answer must satisfy."""
    labels: list[str] | None
    """The closed set of labels."""
    format: OutputFormat
    """Form of the answers."""
    seed: int
    """Seed of bootstrap intervals."""


class Ensemble:
    """The vote of several `evaluate` steps on the same cases; of equal counts the first member's answer counts.

    Nothing is generated: the inputs `member-0`, `member-1` and so on are predictions. Each answer costs what all
    members' answers cost together.
    """

    name: ClassVar[str] = "ensemble"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = EnsembleParams
    libraries: ClassVar[tuple[str, ...]] = ("numpy",)
    outputs: ClassVar[Mapping[str, str]] = {"predictions": "predictions"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses too few members, and metrics that need more than answers."""
        del site
        found = missing_inputs(step, ("data",), "ENS001")
        members = [name for name in step.inputs if name.startswith(MEMBER)]
        if len(members) < FEWEST:
            message = f"{step.address} has {len(members)} members: a majority takes {FEWEST}."
            found.append(_finding("ENS002", message, "Name more predictions as inputs.", "/inputs"))
        asked = step.params.get("metrics")
        for name in asked if isinstance(asked, list) else []:
            if name not in SCORES and name not in POOLED:
                fix = "Drop it: a vote is scored by its answers alone."
                found.append(_finding("ENS003", f"An ensemble does not measure `{name}`.", fix, "/params/metrics"))
        if isinstance(asked, list) and "execution_accuracy" in asked:
            found += missing_inputs(step, ("database",), "ENS001")
        return found

    def estimate(self, step: Step, site: Site) -> Resources:
        """Reading and scoring text."""
        del step, site
        return Resources(time=Estimate(low=0.1, expected=1, high=30, unit="s", provenance="assumed"))

    def perform(self, job: Job) -> Outcome:
        """Write `out/predictions` and measure them.

        Raises:
            InputError: the members answered no case in common, or one answers no row of the data.
        """
        params: EnsembleParams = job.params
        form = AnswerForm(params.format, params.json_schema, tuple(params.labels or ()))
        members = [_read(Path(job.inputs[name])) for name in sorted(job.inputs, key=_number) if name.startswith(MEMBER)]
        shared = set(members[0]).intersection(*members[1:])
        rows = [row for row in read_rows(Path(job.inputs["data"])) if row.id in shared and row.completion is not None]
        if not rows:
            message = "The members have no case of the data in common."
            raise InputError.one("ENS004", message, "Name predictions of the same data.", pointer="/inputs")
        databases = job.inputs.get("database") if "execution_accuracy" in params.metrics else None
        answers = {row.id: vote([member[row.id] for member in members], form) for row in rows}
        cases = [
            Case(
                form,
                answers[row.id].text,
                row.completion or "",
                row.others,
                database_of(Path(databases), row.db_id, row.id) if databases else None,
            )
            for row in rows
        ]
        records = []
        for row, case in zip(rows, cases, strict=True):
            record = {"id": row.id, "prompt": row.prompt, "expected": case.expected, "prediction": case.prediction}
            counts = case_counts(case, params.metrics)
            scores = {"scores": case_scores(case, params.metrics)} | ({"counts": counts} if counts else {})
            records.append(record | told(answers[row.id]) | scores)
        write_predictions(job.out / "predictions", records)
        said = [{normal_form(member[row.id].text, form) for member in members} for row in rows]
        metrics = measure(cases, params.metrics, params.seed) | _cost(answers, params.seed)
        metrics["unanimous"] = proportion(sum(len(each) == 1 for each in said), len(said))
        return Outcome(metrics=metrics, notes={"members": len(members), "cases": len(rows)})

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _cost(answers: Mapping[str, Answer], seed: int) -> dict[str, Measurement]:
    """Tokens of a voted answer: those of all members together, where all of them are known."""
    tokens = [float(answer.tokens) for answer in answers.values() if answer.tokens is not None]
    return {"tokens_per_answer": mean(tokens, seed)} if len(tokens) == len(answers) else {}


def _read(path: Path) -> dict[str, Answer]:
    """A member's answers by case."""
    return {
        record["id"]: Answer(record["prediction"], **{name: record[name] for name in TOLD if name in record})
        for record in read_predictions(path)
    }


def _number(name: str) -> tuple[int, str]:
    """`member-10` comes after `member-9`."""
    tail = name.rpartition("-")[2]
    return int(tail) if tail.isdecimal() else 0, name


def _finding(code: str, message: str, fix: str, pointer: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(pointer=pointer))
