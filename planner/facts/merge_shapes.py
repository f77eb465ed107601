"""Facts about the shapes of what is merged: sizes, vocabularies, layers, and the size of the result."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from planner.facts.merging import MERGING, NO_MERGE
from planner.facts.model import architecture_of, parameters_of
from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Spec
    from planner.memory import Architecture
    from planner.survey import ModelSurvey, Survey

UPSCALING = (*MERGING, "kim-2023-solar")
FEED_FORWARD = ("gate", "up", "gate_up", "down")


def _shapes(survey: Survey) -> list[ModelSurvey | None]:
    return [source.shape for source in survey.merge_sources]


def _known_shape(model: ModelSurvey | None) -> Architecture | None:
    """The architecture by the model's own configuration; None when only its size is known."""
    if model is None or not model.config:
        return None
    shape = architecture_of(model)
    return None if isinstance(shape, Unknown) else shape


def _dimensions(shape: Architecture) -> tuple[Any, ...]:
    """Everything that two models must share for their weights to be added, the vocabulary apart."""
    layers = tuple((block.count, block.attention, block.feed_forward) for block in shape.blocks)
    return shape.model_type, shape.hidden, layers


def _alike(one: ModelSurvey, other: ModelSurvey, tolerance: float) -> bool:
    left, right = _known_shape(one), _known_shape(other)
    if left is not None and right is not None:
        return _dimensions(left) == _dimensions(right)
    sizes = sorted((parameters_of(one) or 0, parameters_of(other) or 0))
    return sizes[1] - sizes[0] <= tolerance * sizes[1]


@fact(unit="shapes", cite=MERGING)
def merge_shapes(survey: Survey, merge_bases: int | Unknown, thresholds: Mapping[str, float]) -> int | Unknown:
    """Different shapes among the sources: by their configurations, or else by sizes that lie far apart."""
    if not survey.merge_sources:
        return NO_MERGE
    different: list[ModelSurvey] = []
    for model in _shapes(survey):
        if model and not any(_alike(model, other, thresholds["same_size_tolerance"]) for other in different):
            different.append(model)
    if len(different) > 1 or None not in _shapes(survey):
        return len(different)
    # Finetunes of one base keep its shape.
    return 1 if merge_bases == 1 else Unknown("the shapes of the merge's sources are not all known")


@fact(unit="widths", cite=MERGING)
def merge_widths(survey: Survey) -> int | Unknown:
    """Different widths of the residual stream among the sources: layers of two widths cannot be stacked."""
    shapes = [_known_shape(model) for model in _shapes(survey)]
    widths = {shape.hidden for shape in shapes if shape}
    if len(widths) > 1 or (widths and None not in shapes):
        return len(widths)
    return Unknown("the widths of the merge's sources are not all known")


@fact(unit="vocabularies", cite=("mergekit-docs",))
def merge_vocabularies(survey: Survey) -> int | Unknown:
    """Different vocabulary sizes among the sources."""
    shapes = [_known_shape(model) for model in _shapes(survey)]
    sizes = {shape.vocab for shape in shapes if shape}
    if len(sizes) > 1 or (sizes and None not in shapes):
        return len(sizes)
    return Unknown("the vocabularies of the merge's sources are not all known")


@fact(unit="layers", cite=UPSCALING)
def source_layers(survey: Survey) -> int | Unknown:
    """Layers of the first source."""
    shape = _known_shape(_shapes(survey)[0]) if survey.merge_sources else None
    return shape.layers if shape else Unknown("the layers of the merge's first source are not known")


@fact(unit="layers", cite=UPSCALING)
def stacked_layers(
    spec: Spec, source_layers: int | Unknown, distinct_sources: int, thresholds: Mapping[str, float]
) -> int | Unknown:
    """Layers of a stack: as the spec says, or half as many again of one model, nine tenths each of several."""
    if spec.merge is None:
        return NO_MERGE
    if spec.merge.target_layers:
        return spec.merge.target_layers
    if isinstance(source_layers, Unknown):
        return source_layers
    if distinct_sources > 1:
        return distinct_sources * math.floor(thresholds["stacked_share"] * source_layers)
    return math.floor(thresholds["upscale_factor"] * source_layers)


@fact(unit="layers", cite=UPSCALING)
def merged_layers(merge: str, stacked_layers: int | Unknown, source_layers: int | Unknown) -> int | Unknown:
    """Layers of the merged model: those of the stack, or of a source when weights are added."""
    if merge == "none":
        return NO_MERGE
    return stacked_layers if merge in ("depth-upscaling", "passthrough") else source_layers


@fact(unit="times", cite=UPSCALING)
def stack_factor(stacked_layers: int, source_layers: int) -> float:
    """Layers of the stacked model for each layer of one source."""
    return stacked_layers / source_layers


@fact(unit="parameters", cite=(*UPSCALING, "komatsuzaki-2022-sparse-upcycling"))
def merged_parameters(
    survey: Survey,
    base_model: str,
    merge: str,
    merge_sources: int,
    stack_factor: float | Unknown,
    thresholds: Mapping[str, float],
) -> int | Unknown:
    """Parameters of the merged model: stacking multiplies the layers, experts the feed-forward part."""
    model = (_shapes(survey)[0] if survey.merge_sources else None) or survey.models[base_model]
    size, shape = parameters_of(model), architecture_of(model)
    if size is None or isinstance(shape, Unknown):
        return Unknown("the size of the merge's sources is not known")
    layers = sum(block.count * block.parameters for block in shape.blocks)
    if merge in ("depth-upscaling", "passthrough"):
        return stack_factor if isinstance(stack_factor, Unknown) else int(size + (stack_factor - 1) * layers)
    if merge == "moe":
        feed_forward = sum(
            linear.weights * block.count
            for block in shape.blocks
            for linear in block.linears
            if linear.role in FEED_FORWARD
        )
        experts = merge_sources if merge_sources > 1 else int(thresholds["upcycled_experts"])
        return int(size + (experts - 1) * feed_forward)
    return size
