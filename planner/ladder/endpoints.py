"""Models that a server answers for, as the parameters of steps name them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import JudgeParams

if TYPE_CHECKING:
    from planner.documents import JsonValue, Spec
    from planner.ladder.draft import Draft


def served(draft: Draft) -> bool:
    """Whether a server answers for the base model."""
    return draft.survey.models[str(draft.answer("base_model"))].kind == "endpoint"


def endpoint(spec: Spec, model: str) -> dict[str, JsonValue] | None:
    """The endpoint of a model of the spec with every field said; None where there is none."""
    for reference in spec.models:
        if reference.id == model and reference.endpoint is not None:
            named = reference.endpoint.model_copy(update={"model": reference.endpoint.model or model})
            return named.to_json()
    return None


def judge(spec: Spec) -> dict[str, JsonValue] | None:
    """The judge of the spec with its endpoint; None where no judge is asked for."""
    asked = spec.evaluation.judge
    where = endpoint(spec, asked.model) if asked else None
    if asked is None or where is None:
        return None
    return JudgeParams.model_validate({"endpoint": where, "rubric": asked.rubric, "scale": asked.scale}).to_json()
