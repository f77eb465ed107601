"""The model that a merge makes where it is another architecture than its sources: a stack, or a mixture of experts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planner.ladder.merge_numbers import STACKS
from planner.ladder.merging import MODEL

if TYPE_CHECKING:
    from planner.documents import Input
    from planner.ladder import Draft
    from planner.survey import ModelSurvey

# As transformers names a mixture of models of a kind, its number of experts, and the width of each; mergekit makes
# Mixtrals of all that is like llama.
MIXTURES = {"qwen3": ("qwen3_moe", "num_experts", "moe_intermediate_size")}
LIKE_LLAMA = ("mixtral", "num_local_experts", "intermediate_size")


def grown(draft: Draft, model: Input) -> ModelSurvey | None:
    """What is known of the model that a step reads, where a merge has made a larger one; None where none has."""
    made = draft.steps.get(MODEL)
    if made is None or not _comes_from(draft, model):
        return None
    source = next((each.shape for each in draft.survey.merge_sources if each.shape), None)
    source = source or draft.survey.models[str(draft.answer("base_model"))]
    if source.config is None:
        return None
    config: dict[str, Any] = dict(source.config)
    if made.params["method"] in STACKS and draft.answer("merge_layers"):
        config["num_hidden_layers"] = int(draft.answer("merge_layers"))
    elif made.params["method"] == "moe":
        kind, experts, width = MIXTURES.get(str(config.get("model_type")), LIKE_LLAMA)
        config |= {"model_type": kind, experts: made.params["experts"], width: config.get("intermediate_size")}
        config["num_experts_per_tok"] = made.params["experts_per_token"]
    else:
        return None
    return replace(source, config=config, params=draft.fact("merged_parameters"), quantization=None)


def _comes_from(draft: Draft, model: Input) -> bool:
    """Whether a model is the merged one, or was trained, completed or rounded from it."""
    while model.step and model.step != MODEL and "model" in draft.steps[model.step].inputs:
        model = draft.steps[model.step].inputs["model"]
    return model.step == MODEL
