"""The spec: what is wanted and what is known, written by people."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.documents.base import Document, JsonValue
from planner.documents.endpoint import Endpoint, Judge
from planner.documents.hardware import Hardware
from planner.documents.task import Task

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]*$"
Quality = Literal["curated", "mixed", "noisy"]
Approach = Literal["baselines", "prompt", "few-shot", "rag", "finetune"]


class DataSource(Document):
    """A data set: a file, or its size when the file is not at hand, or both."""

    path: Annotated[str, Field(min_length=1)] | None = None
    examples: Annotated[int, Field(ge=0)] | None = None
    mean_tokens: Annotated[float, Field(gt=0)] | None = None
    """Tokens of one example, prompt and answer together."""
    quality: Quality | None = None


class Data(Document):
    """The data sets of a task; a bare string is a path."""

    train: str | DataSource | None = None
    validation: str | DataSource | None = None
    test: str | DataSource | None = None
    preferences: str | DataSource | None = None
    documents: str | DataSource | None = None


class ModelReference(Document):
    """A model by id, and what cannot be looked up about it."""

    id: Annotated[str, Field(min_length=1)]
    path: Annotated[str, Field(min_length=1)] | None = None
    """Folder with config.json, a .gguf file, or `package:NAME/FILE` for a file inside an installed Python package."""
    params: Annotated[int, Field(gt=0)] | None = None
    """Parameter count, when no configuration is at hand."""
    dtype: Literal["fp32", "fp16", "bf16", "fp8", "int8", "int4"] | None = None
    """Dtype of release."""
    license: str | None = None
    role: Literal["candidate", "teacher", "student", "draft", "judge", "stronger", "encoder", "reranker"] = "candidate"
    """`judge`: grades answers. `stronger`: shows whether a better model can do what the base cannot. `encoder`: turns
    texts into vectors for a search by meaning. `reranker`: puts passages that were found into a better order."""
    endpoint: Endpoint | None = None
    """The server that answers for it; its weights are then not looked for."""


class Evaluation(Document):
    """How success is measured."""

    metrics: tuple[str, ...] = ()
    target: dict[str, float] = {}
    """Metric to the value that is good enough, as a fraction."""
    data: str | None = None
    """File to measure on; the test data by default."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Measure on this many rows, drawn with a fixed seed."""
    database: Annotated[str, Field(min_length=1)] | None = None
    """SQLite file that predicted queries are run against, or a folder of them where rows have a `db_id`."""
    judge: Judge | None = None
    """A model that grades every answer, as the metric `judge`."""


class Attempt(Document):
    """Something that was tried before, and what it scored."""

    approach: Approach
    prompts_tried: Annotated[int, Field(ge=0)] | None = None
    examples: Annotated[int, Field(ge=0)] | None = None
    """Examples in the prompt, or rows trained on."""
    retrieval: Literal["bm25", "embedding", "hybrid"] | None = None
    method: str | None = None
    metrics: dict[str, float] = {}


class MergeSource(Document):
    """A model that takes part in a merge."""

    id: Annotated[str, Field(min_length=1)]
    base: str | None = None
    """Model that it was finetuned from."""
    path: str | None = None
    kind: Literal["model", "adapter"] | None = None
    """Whole weights or a LoRA adapter; told by the files when they are at hand."""
    rank: Annotated[int, Field(ge=1)] | None = None
    """Rank of an adapter."""
    license: str | None = None
    examples: Annotated[int, Field(ge=1)] | None = None
    """Rows that it learned from: what a client counts in a federated average."""
    requests: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Requests that it is good at: the router of a mixture of experts begins with them."""


class Merge(Document):
    """Models to merge, and to what end."""

    sources: Annotated[tuple[MergeSource, ...], Field(min_length=1)]
    intent: Literal["combine", "remove", "average", "upscale", "experts"] = "combine"
    method: str | None = None
    target_layers: Annotated[int, Field(ge=1)] | None = None


class Constraints(Document):
    """Limits that a plan must respect; absent means none is known."""

    max_hours: Annotated[float, Field(gt=0)] | None = None
    budget_usd: Annotated[float, Field(ge=0)] | None = None
    latency_ms: Annotated[float, Field(gt=0)] | None = None
    max_serving_memory_gb: Annotated[float, Field(gt=0)] | None = None
    deployment: Literal["cloud", "on-premises", "device"] | None = None
    license_use: Literal["commercial", "research"] | None = None
    offline: bool = False
    ml_experience: Literal["none", "some", "strong"] | None = None
    maintenance_owner: bool | None = None
    """Whether somebody owns serving, monitoring and re-training."""


class Spec(Document):
    """A task with its data, models, hardware, evaluation, attempts, failures and constraints."""

    name: Annotated[str, Field(min_length=1, max_length=80, pattern=NAME)] | None = None
    """Short id; the folder's name by default."""
    task: Task
    data: Data = Data()
    models: Annotated[tuple[ModelReference, ...], Field(min_length=1)]
    hardware: str | Hardware = "auto"
    """`auto`, a name from the catalog such as `a10g` or `8xh100`, or devices in full."""
    evaluation: Evaluation = Evaluation()
    attempts: tuple[Attempt, ...] = ()
    failures: str | dict[str, Annotated[int, Field(ge=0)]] | None = None
    """A path to failing cases or to a failure report, or counts by cause or symptom."""
    merge: Merge | None = None
    constraints: Constraints = Constraints()
    overrides: dict[str, JsonValue] = {}
    """Answers pinned by the user: decision to answer."""
    rule_books: tuple[str, ...] = ()
    """Paths of the user's rule books."""
