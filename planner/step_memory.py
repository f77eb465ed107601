"""What the memory of a step on its device comes to, as an interval in bytes."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from planner.documents import Estimate
from planner.facts import Unknown
from planner.facts.estimating import arithmetic, estimate
from planner.facts.model import architecture_of, parameters_of
from planner.facts.spreading import method_fields, spread_fields
from planner.grown import grown
from planner.ladder.retrieving import passage_tokens
from planner.ladder.siblings import candidates
from planner.memory import EstimateError, estimate_inference, inference_setting

if TYPE_CHECKING:
    from planner.documents import Step
    from planner.ladder import Draft
    from planner.survey import ModelSurvey

# Tokens of a request of which nothing is known.
PROMPT_TOKENS = 128


def training_memory(draft: Draft, step: Step) -> Estimate | None:
    """Of a training; None where its model is not known."""
    params = step.params
    model = _model_of(draft, step)
    if model is None:
        return None
    method = str(params["method"])
    fields = method_fields(method, bits=draft.answer("base_quantization"), layers=draft.fact("last_layers") or 1)
    fields |= arithmetic(str(params["precision"]), str(params["objective"]))
    fields |= spread_fields(draft.answer("distribution"), draft.answer("offload"), draft.fact("device_count"))
    if teacher := step.inputs.get("teacher"):
        taught = size_of(draft, step.model_copy(update={"inputs": {"model": teacher}}))
        fields["teacher_parameters"] = taught or parameters_of(model) or 0
    rows = draft.survey.data.get(str(step.inputs["train"].pin or "data/train").removeprefix("data/"))
    if rows is not None and rows.completion_tokens is not None and not params["prompt_loss_weight"]:
        # With the end token, and what a template puts around an answer.
        fields["answer"] = rows.completion_tokens.max + 4
    fields |= {
        "batch": int(str(params["micro_batch"])),
        "attention": str(params["attention"]),
        "processor": draft.survey.hardware.device.kind == "cpu",
        "checkpointing": bool(params["gradient_checkpointing"]),
        "rank": int(str(params.get("rank", 1))),
    }
    if params.get("share_prefix"):
        fields["shared"] = draft.fact("said_tokens")
    low, expected, high = (estimate(model, **fields, sequence=length) for length in _lengths(draft, step))
    if isinstance(low, Unknown) or isinstance(expected, Unknown) or isinstance(high, Unknown):
        return None
    ends = (low.device_bytes.low, expected.device_bytes.expected, high.device_bytes.high)
    return _bytes(ends, *expected.assumptions)


def inference_memory(draft: Draft, step: Step) -> Estimate | None:
    """Of a step that lets the base answer; None where its architecture is not known."""
    model = grown(draft, step.inputs["model"]) or draft.survey.models[str(draft.answer("base_model"))]
    shape = architecture_of(model)
    if isinstance(shape, Unknown):
        return None
    # What only reads writes nothing.
    batch, answer = int(str(step.params.get("batch_size", 1))), int(str(step.params.get("max_new_tokens", 0)))
    asked, found = draft.fact("sequence_tokens") or PROMPT_TOKENS, []
    try:
        for passages in passage_tokens(draft, step.inputs, longest=True):
            prompt = ceil(asked + passages)
            setting = inference_setting(dtype=_weights(draft, step), batch=batch, prompt=prompt, generated=answer)
            found.append(estimate_inference(shape, setting).device_bytes)
    except EstimateError:
        return None
    low, expected, high = found
    if step.executor == "reload":
        # Some readers unpack what they read into 16 bits.
        high = estimate_inference(shape, setting.model_copy(update={"dtype": str(step.params["dtype"])})).device_bytes
    return _bytes((low.low, expected.expected, high.high))


def _model_of(draft: Draft, step: Step) -> ModelSurvey | None:
    """What is known of the model that a step trains."""
    larger = grown(draft, step.inputs["model"])
    return larger or draft.survey.models.get(other_model(draft, step) or str(draft.answer("base_model")))


def size_of(draft: Draft, step: Step) -> int | None:
    """Parameters of the model that a step trains, when that is another than the base."""
    larger = grown(draft, step.inputs["model"])
    if larger is not None:
        return parameters_of(larger)
    name = other_model(draft, step)
    if name is None:
        return None
    model = draft.survey.models.get(name)
    if model is not None:
        return parameters_of(model)
    return next((each.parameters for each in candidates(draft) if each.id == name), None)


def other_model(draft: Draft, step: Step) -> str | None:
    """Id of the model that a step trains, when that is another than the base."""
    source = step.inputs["model"]
    pin = source.pin or (draft.steps[source.step].inputs.get("source", source).pin if source.step else None)
    name = (pin or "").partition("/")[2]
    return None if name in ("", "base") else name


def _lengths(draft: Draft, step: Step) -> tuple[int, int, int]:
    """Tokens of the longest sequence that a training may meet: with the fewest passages, the middle count, at most."""
    most = int(str(step.params["max_length"]))
    rows = draft.survey.data.get(str(step.inputs["train"].pin).removeprefix("data/"))
    if rows is None or rows.tokens is None or rows.role == "documents" or step.params["packing"]:
        return most, most, most
    said = rows.tokens.max + int(draft.fact("said_tokens"))
    shown, longest = (passage_tokens(draft, step.inputs, longest=each) for each in (False, True))
    expected = said + int(shown.expected + longest.expected) // 2
    return min(said + int(shown.low), most), min(expected, most), most


def _weights(draft: Draft, step: Step) -> str:
    """The stored format of the weights that a measurement loads: rounded while loading, or by a step before."""
    rounded = str(step.params.get("quantization", "none"))
    if rounded != "none":
        return "int8" if rounded == "int8" else "nf4"
    made = draft.steps.get(step.inputs["model"].step or "")
    if made is not None and made.executor == "quantize":
        return {4: "int4", 8: "int8"}.get(int(str(made.params["bits"])), "bf16")
    return str(draft.answer("base_dtype"))


def _bytes(interval: tuple[float, float, float], *assumptions: str) -> Estimate:
    low, expected, high = interval
    return Estimate(low=low, expected=expected, high=high, unit="bytes", assumptions=assumptions)
