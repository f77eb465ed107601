"""Steps that hold what is served against what was measured, and gates that stop where it lost too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from planner.documents import Gate, Input, JsonValue, Step
from planner.ladder.prompting import SEED
from planner.survey.metrics import lower_is_better

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

# What a measurement reads that says nothing of how a model is asked.
NOT_ASKED = ("model", "adapter", "before", "database", "reference", "screened")
# What to pin instead of a form that lost too much, the cheapest first; a wider format of GGUF has no pin of its own.
WIDER: dict[str, tuple[tuple[str, str], ...]] = {
    "fp4": (("quantization", "nf4"), ("quantization", "gptq"), ("quantization", "int8"), ("quantization", "none")),
    "nf4": (("quantization", "gptq"), ("quantization", "int8"), ("quantization", "none")),
    "int4": (("quantization", "gptq"), ("qat", "int4"), ("quantization", "int8"), ("quantization", "none")),
    "int8-int4": (("qat", "int8-int4"), ("quantization", "int8"), ("quantization", "none")),
    "gptq": (("quantization", "int8"), ("quantization", "none")),
    "w4a16": (("quantization", "gptq"), ("quantization", "int8"), ("quantization", "none")),
    "w8a8": (("quantization", "int8"), ("quantization", "none")),
    "fp8-dynamic": (("quantization", "fp8-weight"), ("quantization", "none")),
    "fp8-weight": (("quantization", "int8"), ("quantization", "none")),
    "awq": (("quantization", "gptq"), ("quantization", "int8"), ("quantization", "none")),
    "gguf": (("quantization_bits", "8"), ("quantization", "none")),
    "int8": (("quantization", "none"),),
    "torchao-int8": (("quantization", "int8"), ("quantization", "none")),
    "fp8": (("quantization", "int8"), ("quantization", "none")),
    "cache-fp8": (("kv_cache", "16-bit"),),
    "cache-int4": (("kv_cache", "int8"), ("kv_cache", "16-bit")),
    "cache-int8": (("kv_cache", "16-bit"),),
    "merged": (("merge_into", "dequantized"), ("serving", "adapters")),
}

# Thresholds by the bits of a weight.
LIMITS = {
    16: ("most_divergence_16bit", "least_top1_16bit"),
    8: ("most_divergence_8bit", "least_top1_8bit"),
    4: ("most_divergence_4bit", "least_top1_4bit"),
}


def equivalence(draft: Draft, name: str, title: str, *, bits: int, because: tuple[str, ...], gated: bool = True) -> str:
    """Compare the measurement `evaluate/NAME` with the one that it follows from, on the same prompts.

    Args:
        draft: with both measurements drawn.
        name: of the form.
        title: of the step.
        bits: of a weight of the form.
        because: the decisions that it follows from.
        gated: whether a loss stops the run, or is only told.

    Returns:
        The step's address.
    """
    address, served = f"equivalence/{name}", draft.steps[f"evaluate/{name}"]
    against = measured_before(draft, served)
    reference = draft.steps[against]
    inputs = {key: source for key, source in reference.inputs.items() if key not in NOT_ASKED}
    inputs |= {f"reference_{key}": reference.inputs[key] for key in ("model", "adapter") if key in reference.inputs}
    inputs |= {key: served.inputs[key] for key in ("model", "adapter") if key in served.inputs}
    inputs |= {
        "reference": Input(step=against, output="predictions"),
        "predictions": Input(step=served.address, output="predictions"),
    }
    metric = draft.yardstick() if not draft.spec.evaluation.target else min(draft.spec.evaluation.target)
    params: dict[str, JsonValue] = {
        "metric": metric,
        "falling": bool(metric and lower_is_better(metric)),
        "rows": int(draft.thresholds["compared_rows"]),
        "tokens": int(draft.thresholds["compared_tokens"]),
        "quantization": served.params["quantization"],
        "kv_cache": served.params["kv_cache"],
        "reference_quantization": reference.params["quantization"],
        **{key: reference.params[key] for key in ("dtype", "max_new_tokens", "passages", "seed")},
    }
    return draft.add(
        Step(
            address=address,
            title=title,
            executor="equivalence",
            version="1",
            inputs=inputs,
            params=params | {"seed": SEED},
            gates=_gates(draft, address, name, bits) if gated else (),
            known_after=("kl_divergence", "top1_agreement", *(("metric_loss",) if metric else ())),
        ),
        because=because,
    )


def measured_before(draft: Draft, step: Step) -> str:
    """The measurement at the start of a chain of those that each follow from another."""
    address = step.address
    while (source := draft.steps[address].inputs.get("reference")) is not None:
        address = str(source.step)
    return address


def _gates(draft: Draft, address: str, name: str, bits: int) -> tuple[Gate, ...]:
    far, same = (draft.thresholds[limit] for limit in LIMITS[bits])
    lost = draft.thresholds["most_quantized_loss"]
    return (
        _gate(
            draft, address, f"{name} diverges by {far:g} nats a token at most", ("kl_divergence", "low", f"<= {far:g}")
        ),
        _gate(
            draft,
            address,
            f"{name} chooses the same token {same:.0%} of the time",
            ("top1_agreement", "high", f">= {same:g}"),
        ),
        _gate(draft, address, f"{name} loses {100 * lost:g} points at most", ("metric_loss", "low", f"<= {lost:g}")),
    )


def _gate(draft: Draft, address: str, name: str, compared: tuple[str, Literal["low", "high"], str]) -> Gate:
    metric, bound, test = compared
    return Gate(
        name=name,
        when="after",
        metric=metric,
        steps=(address,),
        bound=bound,
        test=test,
        otherwise="stop",
        because=instead(draft, address.partition("/")[2]),
    )


def instead(draft: Draft, name: str) -> str:
    """The next cheapest way out: what to pin that nothing forbids and that is not decided already."""
    for question, answer in WIDER.get(name, ()):
        decision = draft.decisions[question]
        forbidden = any(each.answer == answer and _vetoed(each.rules) for each in decision.rejected)
        if not forbidden and str(decision.answer) != answer and _sensible(draft, question):
            return f"the next cheaper way is to plan with `overrides.{question}: {answer}`"
    return "no other form fits: plan with a smaller base, or allow serving more memory"


def _vetoed(rules: tuple[str, ...]) -> bool:
    """Whether one of the rules forbids: those are numbered below 100."""
    return any(int(rule[3:]) < 100 for rule in rules)  # noqa: PLR2004 - how the book numbers


def _sensible(draft: Draft, question: str) -> bool:
    """Whether another answer would change anything: unpacked weights are another base for a QLoRA adapter only."""
    if question == "quantization_bits":
        return (draft.fact("serving_share_8bit") or 0.0) <= draft.thresholds["serving_share_limit"]
    return question != "merge_into" or draft.fact("last_method") == "qlora"
