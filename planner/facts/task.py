"""Facts about the task: its form, its knowledge, how often it changes, who shares it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Constraints, Output, Task
from planner.facts.registry import Unknown, fact
from planner.facts.words import words_of

if TYPE_CHECKING:
    from planner.documents import Spec
    from planner.survey import Survey

# Formats whose grammar comes with libraries of constrained decoding.


@fact(cite=("book:finetuning-and-rag",), words=words_of(Task, "kind"))
def task_kind(spec: Spec) -> str:
    """The kind of task, in the spec's words."""
    return spec.task.kind


@fact(words=words_of(Output, "format"))
def output_format(spec: Spec) -> str:
    """The form of an answer, in the spec's words."""
    return spec.task.output.format


@fact(cite=("book:finetuning-and-rag",))
def closed_labels(spec: Spec) -> bool:
    """Whether answers come from a closed set of labels."""
    return spec.task.output.format == "label" or bool(spec.task.output.labels)


@fact(cite=("book:finetuning-and-rag",))
def structured_output(spec: Spec) -> bool:
    """Whether answers must parse: JSON, YAML, SQL, HTML, code or a language of your own."""
    return spec.task.output.format not in ("text", "label")


@fact(cite=("book:finetuning-and-rag",))
def rare_syntax(spec: Spec) -> bool:
    """Whether answers are in a syntax that models see seldom."""
    return spec.task.output.rarity == "rare" or spec.task.output.format == "dsl"


@fact(cite=("book:finetuning-and-rag",))
def needs_outside_knowledge(spec: Spec) -> bool:
    """Whether answers rest on facts that are private or newer than the model."""
    return spec.task.knowledge.private or spec.task.knowledge.freshness != "static"


@fact(cite=("book:finetuning-and-rag",), words=words_of(Task, "changes"))
def task_changes(spec: Spec) -> str:
    """How often the task itself changes."""
    return spec.task.changes


@fact(unit="tasks", cite=("book:finetuning-and-rag",))
def other_tasks(spec: Spec) -> int:
    """Skills that must not get worse."""
    return len(spec.task.other_tasks)


@fact(unit="tasks", cite=("book:finetuning-and-rag",))
def other_tasks_with_data(spec: Spec) -> int:
    """Skills that must not get worse and have rows to measure them on."""
    return sum(other.data is not None for other in spec.task.other_tasks)


@fact(unit="fraction", cite=("book:finetuning-and-rag",))
def strictest_tolerance(spec: Spec) -> float | Unknown:
    """The smallest loss that one of the other skills may take."""
    if not spec.task.other_tasks:
        return Unknown("the spec names no other skills")
    return min(other.tolerance for other in spec.task.other_tasks)


@fact(unit="labels", cite=("book:finetuning-and-rag",))
def label_count(spec: Spec, survey: Survey) -> int | Unknown:
    """Labels to choose from, as listed or as found in the training data."""
    train = survey.data.get("train")
    found = spec.task.output.labels or (train.labels if train else None)
    return len(found) if found else Unknown("no labels are listed or found")


@fact(cite=("willard-2023-guided-generation",))
def has_schema(survey: Survey) -> bool:
    """Whether a JSON Schema says which answers are allowed."""
    return bool(survey.schema)


@fact(cite=("willard-2023-guided-generation",), words=("none", "pattern", "grammar"))
def answer_rule(spec: Spec) -> str:
    """What the spec gives, beside labels and a schema, that decoding can be held to."""
    output = spec.task.output
    return "grammar" if output.grammar else "pattern" if output.pattern else "none"


@fact(cite=("willard-2023-guided-generation", "dong-2024-xgrammar"))
def constrainable(output_format: str, closed_labels: bool, answer_rule: str) -> bool:  # noqa: FBT001
    """Whether decoding can be held to the form of an answer by what is at hand: labels, JSON, or a rule of the spec."""
    return closed_labels or output_format == "json" or answer_rule != "none"


@fact(unit="tenants", cite=("book:lora",))
def tenants(spec: Spec) -> int:
    """Variants that must be served."""
    return spec.task.tenants


@fact()
def infilling(spec: Spec) -> bool:
    """Whether the model must fill gaps inside a text."""
    return spec.task.infilling


@fact(unit="tokens")
def max_input_tokens(spec: Spec) -> int | Unknown:
    """Longest input that must be handled."""
    return spec.task.max_input_tokens or Unknown("the spec gives no longest input")


@fact(words=words_of(Constraints, "deployment"))
def deployment(spec: Spec) -> str | Unknown:
    """Where the model will be served."""
    return spec.constraints.deployment or Unknown("the spec names no deployment")


@fact(unit="GB")
def max_serving_memory_gb(spec: Spec) -> float | Unknown:
    """Memory that serving may take."""
    return spec.constraints.max_serving_memory_gb or Unknown("the spec sets no limit")


@fact(cite=("book:finetuning-and-rag",))
def maintenance_owner(spec: Spec) -> bool | Unknown:
    """Whether somebody owns serving, monitoring and re-training."""
    owner = spec.constraints.maintenance_owner
    return Unknown("the spec does not say") if owner is None else owner


@fact(cite=("book:finetuning-and-rag",), words=words_of(Constraints, "ml_experience"))
def ml_experience(spec: Spec) -> str | Unknown:
    """How much machine learning the team has done."""
    return spec.constraints.ml_experience or Unknown("the spec does not say")


@fact(unit="ms")
def latency_ms(spec: Spec) -> float | Unknown:
    """Time that an answer may take."""
    return spec.constraints.latency_ms or Unknown("the spec sets no limit")
