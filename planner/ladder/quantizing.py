"""Steps that shrink the result: fewer bits, then the proof that it still answers as it did."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import Gate, Input, JsonValue, Step
from planner.ladder.endpoints import served
from planner.ladder.pins import data_pin
from planner.ladder.prompting import SEED, base_model, evaluate
from planner.survey.metrics import lower_is_better

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

CALIBRATED = ("gptq", "awq")


def quantizing(draft: Draft) -> None:
    """The result in fewer bits, measured again: a quantized model is another model until it is measured."""
    kind = str(draft.answer("quantization"))
    reference = _reference(draft)
    if kind == "none" or reference is None or served(draft):
        return
    inputs = {"model": _model(draft)}
    if kind in CALIBRATED:
        inputs["calibration"] = data_pin(draft, str(draft.answer("calibration")))
    draft.add(
        Step(
            address=f"quantize/{kind}",
            title=f"Quantize to {kind}, {draft.answer('quantization_bits')} bits a weight",
            executor="quantize",
            version="1",
            inputs=inputs,
            params=_params(draft, kind),
            outputs=("model",),
        ),
        because=("quantization", "quantization_bits", "calibration"),
    )
    measured = draft.steps[reference]
    left = {"data", "reference"} | ({"adapter"} if draft.answer("serving") == "merged" else set())
    evaluate(
        draft,
        kind,
        "Measure what quantizing cost",
        rung=f"quantized ({kind})",
        inputs={
            **{name: source for name, source in measured.inputs.items() if name not in left},
            "model": Input(step=f"quantize/{kind}", output="model"),
            "reference": Input(step=reference, output="predictions"),
        },
        because=("quantization", "after_checks"),
        gates=_gates(draft, kind, reference),
    )


def _model(draft: Draft) -> Input:
    """What is served: the model that was merged or trained whole, or the base under adapters and prompts."""
    made = ("merge", "merge-models", "train")
    whole = [name for name, step in draft.steps.items() if step.executor in made and "model" in step.outputs]
    return Input(step=whole[-1], output="model") if whole else base_model(draft)


def _reference(draft: Draft) -> str | None:
    """The measurement in 16 bits that the quantized model is held against.

    Of finetuned or merged weights it is the last; of the base it is the first rung, the only one sure to be run.
    """
    if not draft.measured:
        return None
    changed = draft.answer("serving") in ("merged", "adapters")
    measured = [address for address in draft.measured if draft.steps[address].executor == "evaluate"]
    return measured[-1 if changed else 0] if measured else None


def _params(draft: Draft, kind: str) -> dict[str, JsonValue]:
    calibrated = kind in CALIBRATED
    rows = min(int(draft.thresholds["calibration_samples"]), int(draft.fact("calibration_rows") or 0))
    return {
        "method": kind,
        "bits": draft.answer("quantization_bits"),
        "group": int(draft.thresholds["quantization_group"]) if kind in (*CALIBRATED, "int4") else None,
        "calibration_rows": rows if calibrated else None,
        "calibration_tokens": int(draft.thresholds["calibration_tokens"]) if calibrated else None,
        "kv_cache": draft.answer("kv_cache"),
        "seed": SEED,
    }


def _gates(draft: Draft, kind: str, reference: str) -> tuple[Gate, ...]:
    """The file is sound, and where changed weights met the target, they still do, beyond chance."""
    address = f"evaluate/{kind}"
    floor = draft.thresholds["least_quantized_agreement"]
    sound = Gate(
        name="the quantized model answers like the one that was measured",
        when="after",
        metric="token_agreement",
        steps=(address,),
        test=f">= {floor:g}",
        otherwise="stop",
        because="weights that were corrupted on the way answer something else",
    )
    if draft.answer("serving") == "base":
        return (sound,)
    kept = (
        Gate(
            name=f"the quantized model still reaches {metric}",
            when="after",
            metric=metric,
            steps=(address,),
            bound="low" if lower_is_better(metric) else "high",
            test=f"{'<=' if lower_is_better(metric) else '>='} {goal:g}",
            otherwise="stop",
            because=f"what {reference} measured counts for what is served only if it is measured again",
        )
        for metric, goal in sorted(draft.spec.evaluation.target.items())
    )
    return (sound, *kept)
