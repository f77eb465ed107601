"""The executor that measures: a model answers every case, and the answers are scored."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.evaluate.answering import answer_all, ask
from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.constraint import Decoding
from executors.evaluate.effort import effort
from executors.evaluate.endpoint_check import unready
from executors.evaluate.extras import Extras, unasked
from executors.evaluate.judge import grade_all
from executors.evaluate.needs import unmet
from executors.evaluate.predictions import read_predictions, told, write_predictions
from executors.evaluate.scoring import agreement, case_scores, measure, token_agreement
from executors.inputs import missing_inputs
from executors.models import Dtype
from executors.quantized import KvCache, Quantization
from executors.retrieve.quality import quality, rank_of_gold
from planner.documents import Endpoint, Finding, InputError, JudgeParams, Resources, Step, Where
from planner.documents.task import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.data import Row
    from planner.documents.events import ErrorClass

NEEDED = ("prompt", "data")
# What a classifier needs: it reads requests as they are.
NEEDED_BY_HEAD = ("model", "data")


class EvaluateParams(Params):
    """What is measured, and how answers are generated."""

    metrics: Annotated[list[str], Field(min_length=1)]
    """Metrics by name; those that ship are measured strictly and leniently."""
    json_schema: Annotated[dict[str, Any] | None, Field(alias="schema")]
    """JSON Schema that an answer must satisfy."""
    labels: list[str] | None
    """The closed set of labels."""
    format: OutputFormat
    """Form of the answers."""
    max_new_tokens: Annotated[int, Field(ge=1)]
    """Longest answer in tokens; generation stops there."""
    batch_size: Annotated[int, Field(ge=1)]
    """Cases generated together."""
    dtype: Dtype
    """Data type of the weights while they answer."""
    quantization: Quantization = "none"
    """Fewer bits of the weights while they answer, where 16 do not fit the device."""
    kv_cache: KvCache = "16-bit"
    """In what keys and values are kept while it answers."""
    decoding: Decoding | Literal["head"] = "free"
    """Whether answers can leave their form: `free`, or held to `labels`, `schema`, `pattern` or `grammar`; with `head`
    nothing is written, and the label with the highest score of a classifier is the answer."""
    grammar: str | None = None
    """Grammar in EBNF for the decoding `grammar`, regular expression for `pattern`; null where neither is given."""
    endpoint: Endpoint | None = None
    """The server that answers, in place of an input `model`."""
    judge: JudgeParams | None = None
    """The model that grades every answer, as the metric `judge`."""
    passages: Annotated[int, Field(ge=1)] | None = None
    """Passages of the index in each prompt; null for as many as the index was made for."""
    window: Annotated[int, Field(ge=2)] | None = None
    """Tokens that a model reads at once where its perplexity is measured; null for all that it can."""
    samples: Annotated[int, Field(ge=1, le=64)] = 1
    """Answers drawn for each case, of which the one that most say counts; 1 for the likeliest tokens, never drawn."""
    temperature: Annotated[float, Field(gt=0)] = 0.7
    """Temperature of the draws; of no effect on a single answer."""
    limit: Annotated[int, Field(ge=1)] | None
    """Cases to measure, drawn by the seed; null for all."""
    seed: int
    """Seed of the draw and of bootstrap intervals."""


class Evaluate:
    """Answers to every case, kept as predictions, with strict and lenient scores."""

    name: ClassVar[str] = "evaluate"
    version: ClassVar[str] = "2"
    params: ClassVar[type[Params]] = EvaluateParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    outputs: ClassVar[Mapping[str, str]] = {"predictions": "predictions"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs, and metrics that what is given cannot support."""
        del site
        found = missing_inputs(step, NEEDED_BY_HEAD if step.params.get("decoding") == "head" else NEEDED, "EVAL002")
        return [*found, *unready(step), *unmet(step)]

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the size of model and data."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/predictions` and measure them.

        Answers of an input `screened`, to the same prompt for some of the cases, are taken as they are.

        Raises:
            InputError: a case has no answer to compare with, or does not fit the model's context window.
        """
        params: EvaluateParams = job.params
        rows = _rows(Path(job.inputs["data"]), params)
        form = AnswerForm(params.format, params.json_schema, tuple(params.labels or ()), params.grammar)
        asked, found = ask(job, rows)
        # Before the answers: a row whose database is not there is told at once.
        extras = Extras(job, rows, asked)
        answers, notes = answer_all(job, asked, form) if params.metrics != ["perplexity"] else unasked(rows)
        grades = grade_all(job, rows, answers)
        cases = [
            Case(form, answers[row.id].text, row.completion or "", row.others, extras.database(row)) for row in rows
        ]
        records = [
            {"id": row.id, "prompt": row.prompt, "expected": case.expected, "prediction": case.prediction}
            | told(answers[row.id])
            | {"scores": case_scores(case, params.metrics) | extras.scores(row, case) | grades.scores(row.id)}
            | extras.record(row, case)
            | grades.record(row.id)
            | ({"passages": [passage.document for passage in found[row.id]]} if found else {})
            for row, case in zip(rows, cases, strict=True)
        ]
        write_predictions(job.out / "predictions", records)
        metrics = measure(cases, params.metrics, params.seed)
        metrics |= extras.measured() | grades.metrics
        notes |= extras.notes(cases) | grades.notes
        metrics |= effort(answers.values(), params.endpoint, params.seed)
        if found and any(row.gold or row.accepted for row in rows):
            metrics |= quality([rank_of_gold(row, found[row.id]) for row in rows], params.seed)
        if "reference" in job.inputs:
            others = {record["id"]: record for record in read_predictions(Path(job.inputs["reference"]))}
            metrics |= extras.against(others)
            reference = {key: record["prediction"] for key, record in others.items()}
            texts = {row.id: answers[row.id].text for row in rows}
            metrics["agreement"] = agreement(texts, reference)
            if "model" in job.inputs:
                metrics["token_agreement"] = token_agreement(_token_pairs(Path(job.inputs["model"]), texts, reference))
        tokens = sum(answer.tokens or 0 for answer in answers.values())
        notes["cut_off"] = sum(answer.cut for answer in answers.values())
        return Outcome(metrics=metrics, notes=notes, tokens=tokens)

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _token_pairs(
    model: Path, answers: Mapping[str, str], reference: Mapping[str, str]
) -> list[tuple[list[int], list[int]]]:
    """Token ids of each answer beside those of the reference's answer to the same case."""
    from executors.models import load_tokenizer

    tokenizer = load_tokenizer(model)
    return [
        (tokenizer.encode(text, add_special_tokens=False), tokenizer.encode(reference[key], add_special_tokens=False))
        for key, text in answers.items()
        if key in reference
    ]


def _rows(path: Path, params: EvaluateParams) -> list[Row]:
    rows = read_rows(path)
    bare = next((row for row in rows if row.completion is None), None)
    if bare is not None:
        message = f"The row {bare.id} has no answer to compare with."
        raise InputError.one("DATA021", message, "Give every row a `completion`.", file=str(path))
    if params.limit is None or params.limit >= len(rows):
        return rows
    # A smaller draw is a part of every larger one: what was answered for it need not be answered again.
    order = random.Random(params.seed).sample(range(len(rows)), len(rows))  # noqa: S311 - not a secret
    return [rows[index] for index in sorted(order[: params.limit])]


def _finding(code: str, message: str, fix: str, pointer: str) -> Finding:
    return Finding(code=code, severity="error", message=message, fix=fix, where=Where(pointer=pointer))
