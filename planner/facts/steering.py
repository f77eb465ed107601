"""Facts that single out the rarer methods: many variants on one base, light steering, what was tried before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import GB
from planner.facts.estimating import trainable
from planner.facts.registry import Unknown, fact
from planner.survey.symptoms import SYMPTOMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Attempt, Spec
    from planner.survey import Survey

SERVED = ("sheng-2023-s-lora", "book:lora")
BYTES_A_VALUE = 2
# What a spec may call the methods of this planner.
METHOD_WORDS = frozenset(
    {
        "full", "partial", "lora", "qlora", "dora", "adapter", "bitfit", "ia3", "prompt-tuning", "prefix-tuning",
        "p-tuning", "linear-probe", "galore", "relora", "longlora",
    }
)  # fmt: skip


@fact(unit="fraction", cite=SERVED)
def adapters_share(
    survey: Survey,
    base_model: str,
    tenants: int,
    device_memory_bytes: int,
    max_serving_memory_gb: float | Unknown,
    thresholds: Mapping[str, float],
) -> float | Unknown:
    """Share of the memory for serving that a 16-bit LoRA adapter of the usual rank for every tenant would take."""
    each = trainable(survey.models[base_model], method="lora", rank=int(thresholds["smallest_rank"]))
    if isinstance(each, Unknown):
        return each
    limit = device_memory_bytes if isinstance(max_serving_memory_gb, Unknown) else max_serving_memory_gb * GB
    return tenants * each * BYTES_A_VALUE / limit


@fact(unit="fraction", cite=("book:finetuning-and-rag",))
def style_share(survey: Survey) -> float | Unknown:
    """Share of the failures that are of style or tone alone."""
    failures = survey.failures
    if failures is None:
        return Unknown("the spec tells no failures")
    counts = failures.counts if failures.source == "declared" else failures.by_symptom
    total = sum(counts.values())
    if not total:
        return Unknown("the spec tells no failures")
    return sum(count for name, count in counts.items() if name in SYMPTOMS and SYMPTOMS[name].group == "style") / total


def _finetunes(spec: Spec) -> list[Attempt]:
    return [attempt for attempt in spec.attempts if attempt.approach == "finetune"]


@fact(cite=("book:finetuning-tactics",))
def tried_method(spec: Spec) -> str | Unknown:
    """The method of the last finetune that was tried, where it is a word of this planner."""
    named = [attempt.method for attempt in _finetunes(spec) if attempt.method in METHOD_WORDS]
    return named[-1] if named and named[-1] else Unknown("no attempt names a method of training")


@fact(unit="fraction", cite=("book:finetuning-tactics",))
def tried_method_gap(spec: Spec) -> float | Unknown:
    """How far the last finetune with a named method stayed below the target in its worst metric."""
    target = spec.evaluation.target
    tried = [attempt for attempt in _finetunes(spec) if attempt.method in METHOD_WORDS]
    if not target or not tried or not target.keys() <= tried[-1].metrics.keys():
        return Unknown("no finetune with a named method was scored against the target")
    return max(goal - tried[-1].metrics[metric] for metric, goal in target.items())


@fact(cite=("luo-2023-forgetting",))
def base_finetuned_before(spec: Spec) -> bool:
    """Whether a finetune was tried before, so that the next one may start from its result."""
    return bool(_finetunes(spec))
