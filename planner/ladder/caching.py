"""The proof that the result answers as well where the keys and values of its cache are kept in fewer bits."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Input
from planner.facts import Unknown
from planner.facts.model import architecture_of
from planner.ladder import heads
from planner.ladder.endpoints import served
from planner.ladder.equivalence import equivalence
from planner.ladder.prompting import evaluate
from planner.ladder.quantizing import reference_of, still_reaching, still_sound

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

WHOLE = "16-bit"
# Bits of a value.
BITS = {"fp8": 8, "int8": 8, "int4": 4}


def caching(draft: Draft) -> None:
    """What is served, measured again with the cache that was decided: rounding it changes answers as well."""
    kept = str(draft.answer("kv_cache"))
    if kept == WHOLE or served(draft) or draft.answer("objective") == heads.OBJECTIVE or _slides(draft):
        return
    reference = _served_as(draft)
    if reference is None:
        return
    name, what = f"cache-{kept}", f"the model with its cache in {kept}"
    inputs = {key: source for key, source in draft.steps[reference].inputs.items() if key not in ("data", "screened")}
    evaluate(
        draft,
        name,
        f"Measure what a cache in {kept} costs",
        rung=f"cache ({kept})",
        inputs=inputs | {"reference": Input(step=reference, output="predictions")},
        because=("kv_cache", "after_checks"),
        gates=(still_sound(draft, name, what),),
        changed={"kv_cache": kept},
    )
    title = f"Hold a cache in {kept} against what was measured, token by token"
    rounded = str(draft.answer("quantization")) != "none"
    bits = min(BITS[kept], int(str(draft.answer("quantization_bits"))) if rounded else BITS[kept])
    address = equivalence(draft, name, title, bits=bits, because=("kv_cache", "after_checks"))
    if draft.answer("serving") != "base":
        step = draft.steps[address]
        gates = (*step.gates, *still_reaching(draft, name, reference, what))
        draft.steps[address] = step.model_copy(update={"gates": gates})


def _served_as(draft: Draft) -> str | None:
    """The measurement of what is served: of its quantized form, or else of the weights in 16 bits."""
    quantized = f"evaluate/{draft.answer('quantization')}"
    return quantized if quantized in draft.steps else reference_of(draft)


def _slides(draft: Draft) -> bool:
    """Whether a window slides over the tokens that the model sees: servers round such a cache, adapt's own does not."""
    shape = architecture_of(draft.survey.models[draft.answer("base_model")])
    return not isinstance(shape, Unknown) and any(block.attention.window for block in shape.blocks)
