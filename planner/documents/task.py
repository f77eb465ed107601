"""The task part of a spec: what the model shall do and what is known of the work."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from planner.documents.base import Document

TaskKind = Literal[
    "classification",
    "extraction",
    "semantic-parsing",
    "question-answering",
    "summarization",
    "generation",
    "rewriting",
    "translation",
    "code",
    "chat",
]
OutputFormat = Literal["text", "label", "json", "yaml", "sql", "html", "code", "dsl"]


class Output(Document):
    """The form of an answer."""

    format: OutputFormat = "text"
    json_schema: Annotated[dict[str, Any] | str | None, Field(alias="schema")] = None
    """JSON Schema of a structured answer, inline or as a path."""
    labels: Annotated[tuple[str, ...], Field(min_length=2)] | None = None
    """The closed set of labels of a classification."""
    pattern: Annotated[str, Field(min_length=1)] | None = None
    """Regular expression of a whole answer, for decoding held to it."""
    grammar: Annotated[str, Field(min_length=1)] | None = None
    """Path of a grammar of the answers (EBNF with a rule `root`, as xgrammar and llama.cpp read it), for decoding held
    to it: a syntax that no library brings a grammar of, such as SQL, YAML, HTML or a language of your own."""
    rarity: Literal["common", "rare"] = "common"
    """Whether a model saw this syntax often in pretraining (JSON) or seldom (your own language)."""


class Knowledge(Document):
    """The knowledge that answers rest on."""

    freshness: Literal["static", "monthly", "daily"] = "static"
    private: bool = False


class OtherTask(Document):
    """A skill of the model that must not get worse."""

    name: Annotated[str, Field(min_length=1)]
    data: str | None = None
    metric: str | None = None
    tolerance: Annotated[float, Field(ge=0, le=1)] = 0.02
    """Loss of the metric that is still accepted, as a fraction."""


class Task(Document):
    """What the model shall do."""

    description: Annotated[str, Field(min_length=1)]
    kind: TaskKind = "generation"
    output: Output = Output()
    knowledge: Knowledge = Knowledge()
    changes: Literal["rarely", "monthly", "weekly"] = "rarely"
    """How often the task itself changes."""
    other_tasks: tuple[OtherTask, ...] = ()
    tenants: Annotated[int, Field(ge=1)] = 1
    """How many variants must be served."""
    infilling: bool = False
    max_input_tokens: Annotated[int, Field(ge=1)] | None = None
    """Longest input that must be handled, in tokens."""
