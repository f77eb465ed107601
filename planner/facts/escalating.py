"""Facts about stronger models, for the case that the base cannot do the task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.model import parameters_of
from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import ModelReference, Spec
    from planner.survey import Survey

TACTICS = ("book:finetuning-tactics",)
# The rule of thumb for answering: weights and a fifth for activations and cache, here of weights in four bits.
BYTES_A_PARAMETER = 0.5 * 1.2
# Names under which configurations count their experts.
EXPERTS = frozenset({"num_local_experts", "num_experts", "n_routed_experts"})
# Roles of models that find passages and answer nothing.
SEARCHING = frozenset({"encoder", "reranker"})


@fact(unit="models", cite=TACTICS)
def larger_candidates(spec: Spec, survey: Survey, base_model: str) -> int:
    """Models of the spec that are larger than the base, and were left because of memory, licence or role."""
    size = parameters_of(survey.models[base_model]) or 0
    return sum((parameters_of(survey.models[model.id]) or 0) > size for model in _answering(spec))


@fact(cite=TACTICS)
def stronger_model(
    spec: Spec, survey: Survey, base_model: str, escalation: str, thresholds: Mapping[str, float]
) -> str | Unknown:
    """A stronger model to try: the largest of the spec beyond the base, else one of the catalog."""
    if escalation == "none":
        return Unknown("no stronger model is called for")
    return stronger_than(base_model, spec, survey, thresholds) or Unknown("the catalog has no stronger model")


def stronger_than(base: str, spec: Spec, survey: Survey, thresholds: Mapping[str, float]) -> str | None:
    """The largest model of the spec beyond the base, else one of the catalog; None when it has none.

    Of the catalog: instruction-tuned, free for the use, without experts (whose parameters are not all at work), and so
    much larger that a difference can be expected; the largest that the devices can answer with in four bits, or when
    they hold none, the smallest.
    """
    size = parameters_of(survey.models[base]) or 0
    named = {model.id: parameters_of(survey.models[model.id]) or 0 for model in _answering(spec)}
    larger = {name: params for name, params in named.items() if params > size}
    if larger:
        return max(larger, key=larger.__getitem__)
    from planner.catalog import all_models

    found = {
        model.id: (model.params, model.released, model.id)
        for model in all_models()
        if model.task == "causal"
        and model.tuned == "instruct"
        and not EXPERTS & model.config.keys()
        and model.params >= size * thresholds["stronger_size_ratio"]
        and (model.commercial_use or spec.constraints.license_use == "research")
    }
    memory = survey.hardware.device.memory_bytes * survey.hardware.device.count
    held = {name: key for name, key in found.items() if not memory or key[0] * BYTES_A_PARAMETER <= memory}
    if held:
        return max(held, key=held.__getitem__)
    return min(found, key=found.__getitem__) if found else None


def _answering(spec: Spec) -> list[ModelReference]:
    return [model for model in spec.models if model.role not in SEARCHING]
