"""The numbers of a merge: what its method takes, every one of them said."""

from __future__ import annotations

import math
from itertools import accumulate
from typing import TYPE_CHECKING

from planner.documents import AdaptError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.documents import JsonValue
    from planner.ladder.draft import Draft

STACKS = ("depth-upscaling", "passthrough")
PRUNING = ("ties", "dare-linear", "dare-ties", "della")
ARCS = ("slerp", "chained-slerp")
# Weights whose sum is nearer to zero divide by nothing.
LEAST_SUM = 1e-6


def numbers_of(draft: Draft, method: str) -> dict[str, JsonValue]:
    """The parameters that a method takes, every one of them said."""
    if method in STACKS:
        return {"layers": draft.answer("merge_layers"), "slices": _slices(draft)}
    if method == "moe":
        return _mixture(draft)
    if method in ARCS:
        place = _place(draft)
        return {"t": place} if method == "slerp" else {"chain": [*chained(_weights(draft, above_zero=True))]}
    numbers: dict[str, JsonValue] = {"weights": [*_weights(draft, above_zero=method == "federated-average")]}
    if method in ("concatenation", "federated-average"):
        return numbers
    # Divided by their sum, weights that remove would add.
    mean = method in ("linear", *PRUNING) and draft.fact("merge_intent") != "remove"
    if mean and abs(sum(_weights(draft))) < LEAST_SUM:
        raise _refused("merge_weights", "The weights of the merge sum to zero, and a mean is divided by their sum.")
    numbers["normalize"] = mean
    if method == "linear":
        return numbers
    numbers["scale"] = float(draft.answer("merge_scale"))
    if method in PRUNING:
        numbers["density"] = _density(draft)
    if method == "della":
        numbers["spread"] = draft.thresholds["della_spread"]
    return numbers


def _weights(draft: Draft, *, above_zero: bool = False) -> list[float]:
    """What each source counts, as it was decided or pinned.

    Raises:
        InputError: these are no numbers, or not one for each source.
    """
    given, count = draft.answer("merge_weights"), len(draft.survey.merge_sources)
    numbers = [each for each in given if isinstance(each, int | float)] if isinstance(given, list | tuple) else []
    if len(numbers) != count or len(given) != count:
        raise _refused("merge_weights", f"The merge has {count} sources, and `merge_weights` is not as many numbers.")
    if above_zero and min(numbers) <= 0:
        raise _refused("merge_weights", "In this merge every source counts something: a weight is zero or less.")
    return [float(each) for each in numbers]


def _density(draft: Draft) -> float:
    density = float(draft.answer("merge_density"))
    if not 0 < density <= 1:
        raise _refused(
            "merge_density", f"The part of each difference that is kept is {density:g}, not above 0 up to 1."
        )
    return density


def _place(draft: Draft) -> float:
    place = float(draft.answer("merge_t"))
    if not 0 <= place <= 1:
        raise _refused("merge_t", f"The place on the arc is {place:g}, and an arc goes from 0 to 1.")
    return place


def _refused(name: str, message: str) -> AdaptError:
    fix = f"Correct `overrides.{name}`, or leave it out."
    return InputError.one("PIN010", message, fix, pointer=f"/overrides/{name}")


def _mixture(draft: Draft) -> dict[str, JsonValue]:
    count = len(draft.survey.merge_sources)
    experts = count if count > 1 else int(draft.thresholds["upcycled_experts"])
    each = min(experts, int(draft.thresholds["experts_per_token"]))
    router, asked = draft.answer("merge_router"), draft.spec.merge.sources if draft.spec.merge else ()
    own: dict[str, JsonValue] = {"requests": [list(source.requests) for source in asked]}
    mixture: dict[str, JsonValue] = {"experts": experts, "experts_per_token": each, "router": router}
    return mixture | (own if router == "hidden" else {})


def _slices(draft: Draft) -> JsonValue:
    """Which layers of which source follow each other; null while the number of layers is not known."""
    layers, total = draft.fact("source_layers"), draft.answer("merge_layers")
    if not layers or not total:
        return None
    count = len(draft.survey.merge_sources)
    distinct = int(draft.fact("distinct_sources"))
    order = list(range(count)) if distinct > 1 else [0] * max(2, math.ceil(total / layers))
    return [
        {"source": source, "layers": [start, end]}
        for source, (start, end) in zip(order, stacked(len(order), layers, total), strict=True)
    ]


def chained(weights: Sequence[float]) -> list[float]:
    """Place of each further model on the arc to it from what those before it became: its share of the weights so far.

    Of equal weights these are a half, a third, a quarter: every model counts alike in the end, where the arcs are flat.
    """
    totals = accumulate(weights)
    next(totals)
    return [round(weight / (total or 1.0), 6) for weight, total in zip(weights[1:], totals, strict=True)]


def stacked(copies: int, layers: int, total: int) -> list[tuple[int, int]]:
    """Layers, first and one past the last, that each copy gives to a stack.

    The first copy begins at the bottom and the last ends at the top, so that what is left out lies where two copies
    meet: 32 layers twice that become 48 give 0..24 and 8..32 [kim-2023-solar].

    Args:
        copies: models or copies that are stacked; at least two.
        layers: layers of each.
        total: layers of the stack, at most copies times layers.
    """
    total = min(total, copies * layers)
    taken = [total // copies + (number < total % copies) for number in range(copies)]
    starts = [round(number * (layers - take) / (copies - 1)) for number, take in enumerate(taken)]
    return [(start, start + take) for start, take in zip(starts, taken, strict=True)]
