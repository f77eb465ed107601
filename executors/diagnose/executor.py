"""The executor that reads failing answers and finds out why they fail."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.diagnose.causes import cause
from executors.diagnose.symptoms import symptom
from executors.errors import classify
from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.predictions import read_predictions
from executors.intervals import proportion
from planner.documents import (
    Estimate,
    FailingCase,
    FailureReport,
    Finding,
    InputError,
    Measurement,
    Resources,
    Step,
    Where,
    pretty_json,
)
from planner.documents.task import OutputFormat, TaskKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.data import Row
    from planner.documents.events import ErrorClass

CAUSES = ("behaviour", "information")
SYMPTOMS = ("malformed", "wrong form", "wrong content")


class DiagnoseParams(Params):
    """The task, as far as the diagnosis must know it."""

    format: OutputFormat
    """Form that answers should have."""
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")]
    """JSON Schema that answers should satisfy."""
    labels: list[str] | None
    """The closed set of labels."""
    kind: TaskKind
    """Kind of the task: whether its answers are made of what the request says."""
    seed: int
    """Seed of whatever is drawn; reading draws nothing."""


class Diagnose:
    """Tells malformed from wrong form from wrong content, and behaviour from information, with evidence a case."""

    name: ClassVar[str] = "diagnose"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = DiagnoseParams
    libraries: ClassVar[tuple[str, ...]] = ()
    outputs: ClassVar[Mapping[str, str]] = {"report": "report"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs, and a label task without labels."""
        del site
        found = [
            _finding(f"{step.address} has no input `{name}`.", "Name it.", f"/inputs/{name}")
            for name in ("predictions", "data")
            if name not in step.inputs
        ]
        if step.params.get("format") == "label" and not step.params.get("labels"):
            found.append(_finding("Labels are diagnosed against a closed set.", "Give `labels`.", "/params/labels"))
        return found

    def estimate(self, step: Step, site: Site) -> Resources:
        """Reads text."""
        del step, site
        return Resources(time=Estimate(low=0.01, expected=0.3, high=20, unit="s", provenance="assumed"))

    def perform(self, job: Job) -> Outcome:
        """Write `out/report`.

        Raises:
            InputError: a prediction answers no row of the data.
        """
        params: DiagnoseParams = job.params
        form = AnswerForm(params.format, params.json_schema, tuple(params.labels or ()))
        path = Path(job.inputs["predictions"])
        rows = {row.id: row for row in read_rows(Path(job.inputs["data"]))}
        predictions = read_predictions(path)
        found = [_diagnose(rows, record, form, params.kind, path) for record in predictions]
        cases = tuple(case for case in found if case is not None)
        report = FailureReport(
            source=job.address,
            cases_seen=len(predictions),
            failed=len(cases),
            by_cause=dict(sorted(Counter(case.cause for case in cases).items())),
            by_symptom=dict(sorted(Counter(case.symptom for case in cases).items())),
            cases=cases,
        )
        (job.out / "report").write_text(pretty_json(report.to_json()), encoding="utf-8")
        return Outcome(metrics=_metrics(report))

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _diagnose(
    rows: Mapping[str, Row], record: dict[str, Any], form: AnswerForm, kind: TaskKind, path: Path
) -> FailingCase | None:
    row = rows.get(record["id"])
    if row is None or row.completion is None:
        message = f"The prediction {record['id']} answers no row of the data that has an answer."
        raise InputError.one("DATA023", message, "Name the data that was evaluated.", file=str(path))
    case = Case(form, record["prediction"], row.completion)
    seen = symptom(case)
    if seen is None:
        return None
    request = "\n".join([*(turn["content"] for turn in row.before), row.prompt])
    why, because = cause(case, seen[0], request, kind)
    return FailingCase(
        id=row.id,
        symptom=seen[0],
        cause=why,
        evidence=(*seen[1], *because),
        expected=row.completion,
        prediction=case.prediction,
    )


def _metrics(report: FailureReport) -> dict[str, Measurement]:
    """Shares of the failing cases, each with its interval, and how many fail."""
    metrics = {f"{name}_share": proportion(report.by_cause.get(name, 0), report.failed) for name in CAUSES}
    for name in SYMPTOMS:
        metrics[f"{name.replace(' ', '_')}_share"] = proportion(report.by_symptom.get(name, 0), report.failed)
    metrics["failed"] = Measurement(value=float(report.failed), n=report.cases_seen)
    return metrics


def _finding(message: str, fix: str, pointer: str) -> Finding:
    return Finding(code="DIAG001", severity="error", message=message, fix=fix, where=Where(pointer=pointer))
