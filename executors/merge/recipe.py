"""How mergekit is told a merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from executors.merge.params import DTYPES, RESCALED, STACKS, VECTORS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.merge.params import MergeModelsParams, Slice
    from planner.documents import JsonValue


def recipe(
    params: MergeModelsParams, at: Mapping[str, JsonValue], factors: Sequence[float] | None = None
) -> dict[str, Any]:
    """A merge as mergekit's configuration has it; of the chain, `executors.merge.chained` tells mergekit the method.

    Args:
        params: the numbers, of a method that mergekit carries out weight by weight.
        at: `source-0`, `source-1`, ... and `base` where the method needs one, to how mergekit finds the model.
        factors: what brings each source to the common length; see `executors.merge.magnitudes`.
    """
    sources = [at[f"source-{number}"] for number in range(len(params.adapters))]
    found: dict[str, Any] = {"dtype": "float32", "out_dtype": DTYPES[params.dtype]}
    if params.tokenizer == "union":
        found["tokenizer_source"] = "union"
    if params.method in STACKS:
        slices = [{"sources": [_layers(each, sources)]} for each in params.slices or []]
        return found | {"merge_method": "passthrough", "slices": slices}
    found["merge_method"] = params.method.replace("-", "_")
    if params.method == "slerp":
        models = [{"model": source} for source in sources]
        return found | {"base_model": sources[0], "models": models, "parameters": {"t": params.t}}
    if params.chain is not None:
        places = [1.0, *params.chain]
        models = [{"model": each, "parameters": {"t": t}} for each, t in zip(sources, places, strict=True)]
        return found | {"models": models}
    weights = [
        weight * factor for weight, factor in zip(params.weights or [], factors or [1.0] * len(sources), strict=True)
    ]
    own: list[dict[str, Any]] = [{"weight": weight} for weight in weights]
    whole: dict[str, Any] = {"normalize": params.normalize}
    if params.method in VECTORS:
        found["base_model"] = at["base"]
        whole |= {"lambda": params.scale, "rescale": params.method in RESCALED, "int8_mask": False}
        if params.density is not None:
            own = [each | {"density": params.density} for each in own]
        if params.spread is not None:
            own = [each | {"epsilon": params.spread} for each in own]
    models = [
        {"model": source, "parameters": each}
        for source, each in zip(sources, own, strict=True)
        # What counts nothing in a mean need not be read.
        if each["weight"] or params.method != "linear"
    ]
    return found | {"models": models, "parameters": whole}


def _layers(each: Slice, sources: list[JsonValue]) -> dict[str, JsonValue]:
    return {"model": sources[each.source], "layer_range": [*each.layers]}
