"""Steps that shrink the result: fewer bits, then the proof that it still answers as it did."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.documents import GPTQMODEL, LLM_COMPRESSOR, Gate, Input, JsonValue, Step
from planner.facts.serving import CALIBRATED
from planner.ladder.endpoints import served
from planner.ladder.equivalence import equivalence, instead
from planner.ladder.launching import Training, train
from planner.ladder.pins import data_pin
from planner.ladder.prompting import SEED, base_model, evaluate
from planner.survey.metrics import lower_is_better

if TYPE_CHECKING:
    from planner.ladder.draft import Draft

GROUPED = ("gptq", "awq", "w4a16", "int4", "int8-int4")
# Methods whose libraries have an environment of their own.
APART = {
    "gptq": GPTQMODEL,
    **dict.fromkeys(("awq", "w4a16", "w8a8", "fp8-dynamic", "fp8-weight"), LLM_COMPRESSOR),
}
# Bits of a weight in the forms that a result can be made in beside the one that is served.
BITS = dict.fromkeys(("int8", "torchao-int8", "fp8", "w8a8", "fp8-dynamic", "fp8-weight"), 8)
BITS |= dict.fromkeys(("int8-int4", "nf4", "fp4", "int4", "gptq", "awq", "w4a16"), 4)


class Form(NamedTuple):
    """A form of the result in fewer bits."""

    name: str
    """Last part of the addresses."""
    method: str
    bits: int


def quantizing(draft: Draft) -> None:
    """The result in fewer bits, measured again: a quantized model is another model until it is measured."""
    reference = reference_of(draft)
    if reference is None or served(draft):
        return
    kind, bits = str(draft.answer("quantization")), int(str(draft.answer("quantization_bits")))
    for name in draft.answer("variants"):
        form = _form(str(name))
        if (form.method, form.bits) != (kind, bits):
            _compared(draft, form, reference)
    if kind == "none":
        return
    if draft.answer("qat") != "none":
        _train_rounded(draft, kind)
    _make(draft, "quantize", Form(kind, kind, bits))
    _measure(draft, "quantize", Form(kind, kind, bits), reference, f"quantized ({kind})")
    title = f"Hold {kind} against what was measured, token by token"
    because = ("quantization", "after_checks")
    address = equivalence(draft, kind, title, bits=bits, because=because)
    if draft.answer("serving") != "base":
        step = draft.steps[address]
        draft.steps[address] = step.model_copy(update={"gates": (*step.gates, *still_reaching(draft, kind, reference))})


def _compared(draft: Draft, form: Form, reference: str) -> None:
    """A form beside the one that is served: measured and compared, and nothing hangs on it."""
    _make(draft, "compare", form)
    _measure(draft, "compare", form, reference, None)
    title = f"Hold {form.name} against what was measured, token by token"
    equivalence(draft, form.name, title, bits=form.bits, because=("variants", "after_checks"), gated=False)


def _train_rounded(draft: Draft, kind: str) -> None:
    """Train on with the weights rounded as they will be served, on what taught the model."""
    taught = next(step for step in reversed(draft.steps.values()) if step.executor == "train")
    group = _params(draft, Form(kind, kind, BITS[kind]))["group"]
    changes: dict[str, JsonValue] = {
        "learning_rate": draft.thresholds["qat_learning_rate"],
        "epochs": float(draft.thresholds["qat_epochs"]),
        "rounding": draft.answer("qat"),
        "rounding_group": group,
    }
    if taught.params["optimizer"] == "galore-adamw":
        changes["optimizer"] = "adamw"
    inputs = {name: source for name, source in taught.inputs.items() if not name.startswith("teacher")}
    title = "Train on with weights rounded as they will be served"
    wanted = Training("qat", "sft", inputs | {"model": _model(draft)}, taught.gates, changes, title, "qat")
    train(draft, wanted)


def _form(name: str) -> Form:
    """`gguf-4` is GGUF in 4 bits; other forms have one width."""
    method, _, bits = name.partition("-")
    return Form(name, method, int(bits)) if method == "gguf" else Form(name, name, BITS[name])


def _make(draft: Draft, part: str, form: Form) -> None:
    inputs = {"model": _model(draft)}
    if form.method in CALIBRATED:
        inputs["calibration"] = data_pin(draft, str(draft.answer("calibration")))
    apart = APART.get(form.method)
    address = draft.add(
        Step(
            address=f"{part}/{form.name}",
            title=f"Quantize to {form.name}, {form.bits} bits a weight{f', in {apart.name}' if apart else ''}",
            executor="quantize",
            version="2",
            environment=apart,
            inputs=inputs,
            params=_params(draft, form),
            outputs=("model", "answers") if apart else ("model",),
        ),
        because=("quantization", "quantization_bits", "calibration") if part == "quantize" else ("variants",),
    )
    if apart is not None:
        _read_again(draft, form.name, address, "quantization" if part == "quantize" else "variants")


def _read_again(draft: Draft, name: str, made: str, decided: str) -> None:
    """Another environment wrote the files: the one that measures and serves must read the same weights in them."""
    draft.add(
        Step(
            address=f"reload/{name}",
            title="Read the quantized model here, and hold it against what its maker answered",
            executor="reload",
            version="1",
            inputs={each: Input(step=made, output=each) for each in ("model", "answers")},
            params={"dtype": draft.answer("base_dtype"), "seed": SEED},
            known_after=("reload_difference", "reload_agreement"),
        ),
        because=(decided,),
    )


def _measure(draft: Draft, part: str, form: Form, reference: str, rung: str | None) -> None:
    measured = draft.steps[reference]
    # What the 16-bit model answered on a few rows first is no answer of this one.
    left = {"data", "reference", "screened"} | ({"adapter"} if draft.answer("serving") == "merged" else set())
    evaluate(
        draft,
        form.name,
        "Measure what quantizing cost",
        rung=rung,
        inputs={
            **{name: source for name, source in measured.inputs.items() if name not in left},
            "model": Input(step=f"{part}/{form.name}", output="model"),
            "reference": Input(step=reference, output="predictions"),
        },
        because=("quantization" if rung else "variants", "after_checks"),
        gates=(still_sound(draft, form.name),) if rung else (),
    )


def _model(draft: Draft) -> Input:
    """What is served: the model that was merged or trained whole, or the base under adapters and prompts."""
    made = ("merge", "merge-models", "train")
    whole = [name for name, step in draft.steps.items() if step.executor in made and "model" in step.outputs]
    return Input(step=whole[-1], output="model") if whole else base_model(draft)


def reference_of(draft: Draft) -> str | None:
    """The measurement in 16 bits that the quantized model is held against.

    Of finetuned or merged weights it is their own last one, whatever rungs are measured after it; of the base it is the
    first rung, the only one sure to be run.
    """
    measured = [draft.steps[address] for address in draft.measured if draft.steps[address].executor == "evaluate"]
    if draft.answer("serving") in ("merged", "adapters"):
        measured.reverse()
        measured.sort(key=lambda step: not _changed(step))
    return measured[0].address if measured else None


def _changed(step: Step) -> bool:
    """Whether what answered is a model or an adapter that the plan made."""
    sources = (step.inputs.get(name) for name in ("model", "adapter"))
    return any(source is not None and source.step not in (None, "prepare/base") for source in sources)


def _params(draft: Draft, form: Form) -> dict[str, JsonValue]:
    calibrated = form.method in CALIBRATED
    rows = min(int(draft.thresholds["calibration_samples"]), int(draft.fact("calibration_rows") or 0))
    small = form.method == "int8-int4"
    group = draft.thresholds["small_quantization_group"] if small else draft.fact("rounding_group")
    return {
        "method": form.method,
        "bits": form.bits,
        "group": int(group or draft.thresholds["quantization_group"]) if form.method in GROUPED else None,
        "calibration_rows": rows if calibrated else None,
        "calibration_tokens": int(draft.thresholds["calibration_tokens"]) if calibrated else None,
        "kv_cache": draft.answer("kv_cache"),
        "seed": SEED,
    }


def still_sound(draft: Draft, name: str, what: str = "the quantized model") -> Gate:
    """The file is sound."""
    floor = draft.thresholds["least_quantized_agreement"]
    return Gate(
        name=f"{what} answers like the one that was measured",
        when="after",
        metric="token_agreement",
        steps=(f"evaluate/{name}",),
        test=f">= {floor:g}",
        otherwise="stop",
        because="weights that were corrupted on the way answer something else",
    )


def still_reaching(draft: Draft, name: str, reference: str, what: str = "the quantized model") -> tuple[Gate, ...]:
    """Where changed weights met the target, they still do, beyond chance."""
    return tuple(
        Gate(
            name=f"{what} still reaches {metric}",
            when="after",
            metric=metric,
            steps=(f"evaluate/{name}",),
            bound="low" if lower_is_better(metric) else "high",
            test=f"{'<=' if lower_is_better(metric) else '>='} {goal:g}",
            otherwise="stop",
            because=f"what {reference} measured counts only if it is measured again; {instead(draft, name)}",
        )
        for metric, goal in sorted(draft.spec.evaluation.target.items())
    )
