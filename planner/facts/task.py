"""Facts about the task: its form, its knowledge, how often it changes, who shares it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from planner.documents import Spec


@fact(cite=("book:finetuning-and-rag",))
def task_kind(spec: Spec) -> str:
    """The kind of task, in the spec's words."""
    return spec.task.kind


@fact()
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


@fact(cite=("book:finetuning-and-rag",))
def task_changes(spec: Spec) -> str:
    """How often the task itself changes."""
    return spec.task.changes


@fact(unit="tasks", cite=("book:finetuning-and-rag",))
def other_tasks(spec: Spec) -> int:
    """Skills that must not get worse."""
    return len(spec.task.other_tasks)


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


@fact()
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
