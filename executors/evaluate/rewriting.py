"""Queries that a model words anew before the search: kept only where they find more than the requests themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError

from executors.comparison import paired_means
from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.evaluate.answering import backend_of, collect
from executors.evaluate.backends import Question
from executors.evaluate.case import AnswerForm
from executors.evaluate.endpoint_check import unready
from executors.evaluate.predictions import Made
from executors.inputs import missing_inputs
from executors.models import Dtype
from executors.quantized import Quantization
from executors.retrieve.quality import quality, rank_of_gold
from planner.documents import Endpoint, Finding, InputError, Measurement, ReadAhead, Resources, Step, pretty_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.data import Row
    from executors.retrieve.index import Index
    from planner.documents.events import ErrorClass

# `plain`: the request is the query. `alone`: what was written is. `added`: both together.
Use = Literal["plain", "alone", "added"]
USES: tuple[Use, ...] = ("plain", "alone", "added")
INSTRUCTION = (
    "Write the last question of the conversation anew, so that it can be understood without the conversation and "
    "uses the words that a document about it would use. Write the question alone, and do not answer it."
)
# Passages that are looked through for the one that answers.
DEEP = 10
# What a model reads of a long conversation: its end.
MOST_CHARACTERS = 2000


class Rewriting(ReadAhead):
    """How queries are made of requests."""

    format: Literal["adapt.rewriting/1"] = "adapt.rewriting/1"
    use: Use
    instruction: str = INSTRUCTION
    max_new_tokens: int


class RewriteParams(Params):
    """How queries are written, and on how many questions they are measured."""

    max_new_tokens: Annotated[int, Field(ge=1)]
    """Longest query in tokens."""
    batch_size: Annotated[int, Field(ge=1)]
    """Queries written together."""
    dtype: Dtype
    """Data type of the weights while they write."""
    quantization: Quantization
    """Fewer bits of the weights while they write."""
    endpoint: Endpoint | None
    """The server that writes, in place of an input `model`."""
    limit: Annotated[int, Field(ge=1)]
    """Questions to measure on; the first of the file that name or hold their answer."""
    seed: int
    """Seed of bootstrap intervals."""


class Rewrite:
    """Measures whether queries that the model writes find the passages better than the requests do."""

    name: ClassVar[str] = "rewrite"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = RewriteParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "bm25s", "numpy")
    outputs: ClassVar[Mapping[str, str]] = {"rewriting": "rewriting"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses a step without index, questions or a model."""
        del site
        return [*missing_inputs(step, ("index", "validation"), "REWRITE001"), *unready(step)]

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/rewriting`: the way whose queries find best, the plain one unless another is better beyond chance.

        Raises:
            InputError: no question names or holds its answer; the index or the model cannot be read.
        """
        params: RewriteParams = job.params
        rows = [row for row in read_rows(Path(job.inputs["validation"])) if row.gold or row.accepted][: params.limit]
        if not rows:
            message = "No question says which document or which words answer it."
            raise InputError.one("REWRITE002", message, "Give `answers` or `gold`.", file=str(job.inputs["validation"]))
        index = _index(job)
        written = write_queries(job, rows, Rewriting(use="alone", max_new_tokens=params.max_new_tokens))
        ranks = {use: _ranks(index, rows, [query(row, written[row.id], use) for row in rows]) for use in USES}
        found = {use: [1 / rank if rank else 0.0 for rank in each] for use, each in ranks.items()}
        best = max(USES, key=lambda use: sum(found[use]))
        gain, low, high = paired_means(found[best], found["plain"], params.seed)
        use = best if low > 0 else "plain"
        rewriting = Rewriting(use=use, max_new_tokens=params.max_new_tokens)
        (job.out / "rewriting").write_text(pretty_json(rewriting.to_json()), encoding="utf-8")
        metrics = dict(quality(ranks[use], params.seed))
        metrics |= {f"mrr_{each}": quality(ranks[each], params.seed)["mrr"] for each in USES}
        metrics["gain"] = Measurement(value=gain, low=low, high=high, n=len(rows), interval="bootstrap")
        return Outcome(metrics=metrics, notes={"use": use, "tried": best, "questions": len(rows)})

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def queries(job: Job, rows: Sequence[Row]) -> list[str]:
    """What is searched for each row: its request, or what the input `rewriting` of the job makes of it.

    Raises:
        InputError: the rewriting cannot be read.
    """
    source = job.inputs.get("rewriting")
    rewriting = read_rewriting(Path(source)) if source is not None else None
    if rewriting is None or rewriting.use == "plain":
        return [row.prompt for row in rows]
    written = write_queries(job, rows, rewriting)
    return [query(row, written[row.id], rewriting.use) for row in rows]


def query(row: Row, written: str, use: Use) -> str:
    """The query of a row; the request itself where nothing was written."""
    if use == "plain" or not written:
        return row.prompt
    return written if use == "alone" else f"{row.prompt}\n{written}"


def write_queries(job: Job, rows: Sequence[Row], rewriting: Rewriting) -> dict[str, str]:
    """The model's query for each row, by row id; empty where it gave none. They survive a kill, as answers do."""
    given = job.params
    params: dict[str, Any] = {
        **{name: getattr(given, name) for name in ("batch_size", "dtype", "quantization", "endpoint", "seed")},
        "metrics": ["exact_match"],
        "schema": None,
        "labels": None,
        "format": "text",
        "limit": None,
        "max_new_tokens": rewriting.max_new_tokens,
    }
    from executors.evaluate.executor import EvaluateParams

    # An adapter has learned to answer, and not to ask.
    inputs = {name: source for name, source in job.inputs.items() if name != "adapter"}
    work = replace(job, params=EvaluateParams.model_validate(params), inputs=inputs)
    asked = [Question(row.id, [{"role": "user", "content": query_request(row, rewriting.instruction)}]) for row in rows]
    made = Made(job.checkpoints / "queries.jsonl")
    answers, _ = collect(work, backend_of(work, AnswerForm("text")), asked, made, "writing queries")
    return {name: " ".join(answer.text.split()) for name, answer in answers.items()}


def query_request(row: Row, instruction: str) -> str:
    """The instruction after the conversation, whose end alone is read where it is long."""
    said = [f"{turn['role']}: {turn['content']}" for turn in row.before if turn["role"] != "system"]
    conversation = "\n".join([*said, f"user: {row.prompt}"])[-MOST_CHARACTERS:]
    return f"{conversation}\n\n{instruction}"


def _ranks(index: Index, rows: Sequence[Row], asked: Sequence[str]) -> list[int | None]:
    found = index.retrieve(asked, DEEP)
    return [rank_of_gold(row, passages) for row, passages in zip(rows, found, strict=True)]


def _index(job: Job) -> Index:
    from executors.retrieve.index import Index

    return Index(Path(job.inputs["index"]), job.inputs.get("encoder"), job.inputs.get("reranker"))


def read_rewriting(path: Path) -> Rewriting:
    """How queries are made of requests, as a `rewrite` step left it.

    Raises:
        InputError: the file is none of that.
    """
    try:
        return Rewriting.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        message = f"The rewriting cannot be read: {str(error).splitlines()[0]}."
        raise InputError.one("REWRITE003", message, "Name the output of a `rewrite` step.", file=str(path)) from error
