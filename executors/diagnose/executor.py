"""The executor that finds out why answers fail: by experiment where it has a model, by reading where it has none."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.diagnose.causes import repeated
from executors.diagnose.examine import Answered, Means, examine
from executors.diagnose.report import metrics
from executors.errors import classify
from executors.evaluate.case import AnswerForm
from executors.evaluate.database import database_of
from executors.evaluate.predictions import read_predictions
from executors.inputs import missing_inputs
from executors.models import Dtype
from executors.quantized import Quantization
from planner.documents import Endpoint, Estimate, Finding, InputError, Resources, Step, Where, pretty_json
from planner.documents.task import OutputFormat, TaskKind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.data import Row
    from executors.diagnose.answerer import ModelAnswers
    from executors.retrieve.index import Index
    from planner.documents.events import ErrorClass


class DiagnoseParams(Params):
    """The task, as far as the diagnosis must know it, and what its experiments may cost."""

    format: OutputFormat
    """Form that answers should have."""
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")]
    """JSON Schema that answers should satisfy."""
    labels: list[str] | None
    """The closed set of labels."""
    grammar: str | None = None
    """Grammar or regular expression of the answers, where one is given; experiments hold decoding to it."""
    kind: TaskKind
    """Kind of the task: whether its answers are made of what the request says."""
    limit: Annotated[int, Field(ge=1)] | None = 60
    """Failing cases that experiments are made on, drawn by the seed; null for all."""
    examples: Annotated[int, Field(ge=0, le=50)] = 8
    """Nearest training examples that one experiment shows; 0 leaves it out."""
    passages: Annotated[int, Field(ge=1)] | None = None
    """Passages of a search in the prompt; null for as many as the index was made for."""
    max_new_tokens: Annotated[int, Field(ge=1)] = 256
    """Longest answer in tokens."""
    batch_size: Annotated[int, Field(ge=1)] = 16
    """Cases generated together."""
    dtype: Dtype = "bf16"
    """Data type of the weights while they answer."""
    quantization: Quantization = "none"
    """Fewer bits of the weights while they answer, where 16 do not fit the device."""
    endpoint: Endpoint | None = None
    """The server that answers, in place of an input `model`."""
    stronger_endpoint: Endpoint | None = None
    """The server of a stronger model, in place of an input `stronger`."""
    seed: int
    """Seed of the draw."""


class Diagnose:
    """Tells information from retrieval from behaviour from capability, with the evidence of every case.

    With `predictions` and `data` alone it reads, and says what it presumes. A `model` with its `prompt` makes
    experiments possible: with the passage that holds the answer (`documents`, or an `index` with its models), with
    the nearest examples (`train`), with decoding held to the form, and by a `stronger` model. Queries are right by the
    rows that they return where there is a `database`.
    """

    name: ClassVar[str] = "diagnose"
    version: ClassVar[str] = "3"
    params: ClassVar[type[Params]] = DiagnoseParams
    libraries: ClassVar[tuple[str, ...]] = (
        *("bm25s", "html5lib", "numpy", "openai", "semantic_text_splitter", "sqlglot", "torch", "transformers"),
    )
    outputs: ClassVar[Mapping[str, str]] = {"report": "report"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs, and a label task without labels."""
        del site
        needed = ("predictions", "data", *(("prompt",) if _answers(step.inputs, step.params.get("endpoint")) else ()))
        found = missing_inputs(step, needed, "DIAG001")
        if step.params.get("format") == "label" and not step.params.get("labels"):
            found.append(_finding("Labels are diagnosed against a closed set.", "Give `labels`.", "/params/labels"))
        return found

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned where a model answers; else it reads text."""
        del site
        if _answers(step.inputs, step.params.get("endpoint")):
            return step.resources
        return Resources(time=Estimate(low=0.01, expected=0.3, high=20, unit="s", provenance="assumed"))

    def perform(self, job: Job) -> Outcome:
        """Write `out/report`.

        Raises:
            InputError: a prediction answers no row of the data; documents or a model cannot be read.
        """
        params: DiagnoseParams = job.params
        form = AnswerForm(params.format, params.json_schema, tuple(params.labels or ()), params.grammar)
        path = Path(job.inputs["predictions"])
        rows = {row.id: row for row in read_rows(Path(job.inputs["data"]))}
        databases = Path(job.inputs["database"]) if "database" in job.inputs else None
        answered = [_answered(rows, record, path, databases) for record in read_predictions(path)]
        train = tuple(read_rows(Path(job.inputs["train"]))) if "train" in job.inputs else ()
        model = _model(job, form, rows, train)
        means = Means(
            params.kind,
            _index(job),
            params.passages,
            answer=model,
            offered=model.offered() if model is not None else (),
            repeated=repeated(train),
        )
        report = examine(job.address, answered, form, means, limit=params.limit, seed=params.seed)
        (job.out / "report").write_text(pretty_json(report.to_json()), encoding="utf-8")
        return Outcome(metrics=metrics(report), notes={"notes": list(report.notes)})

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _answers(inputs: Mapping[str, object], endpoint: object) -> bool:
    """Whether there is a model that can be asked."""
    return "model" in inputs or endpoint is not None


def _answered(rows: Mapping[str, Row], record: dict[str, Any], path: Path, databases: Path | None) -> Answered:
    row = rows.get(record["id"])
    if row is None or row.completion is None:
        message = f"The prediction {record['id']} answers no row of the data that has an answer."
        raise InputError.one("DATA023", message, "Name the data that was evaluated.", file=str(path))
    database = database_of(databases, row.db_id, row.id) if databases is not None else None
    return Answered(row, record["prediction"], tuple(map(str, record.get("passages", ()))), database=database)


def _model(job: Job, form: AnswerForm, rows: Mapping[str, Row], train: tuple[Row, ...]) -> ModelAnswers | None:
    if not _answers(job.inputs, job.params.endpoint):
        return None
    from executors.diagnose.answerer import ModelAnswers
    from executors.prompt.document import read_prompt

    return ModelAnswers(job, form, read_prompt(Path(job.inputs["prompt"])), rows, train)


def _index(job: Job) -> Index | None:
    if "index" in job.inputs:
        from executors.retrieve.index import Index

        return Index(Path(job.inputs["index"]), job.inputs.get("encoder"), job.inputs.get("reranker"))
    if "documents" in job.inputs:
        from executors.diagnose.lookup import PASSAGES, open_index

        folder = job.checkpoints / "index"
        return open_index(Path(job.inputs["documents"]), folder, job.params.passages or PASSAGES)
    return None


def _finding(message: str, fix: str, pointer: str) -> Finding:
    return Finding(code="DIAG001", severity="error", message=message, fix=fix, where=Where(pointer=pointer))
