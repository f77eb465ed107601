"""Facts about the choice of the base model: the strongest candidate that is allowed, and why not a larger one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.documents import GB
from planner.facts.effort import device_rate
from planner.facts.estimating import device_bytes
from planner.facts.hardware import catalog_entry
from planner.facts.licences import model_forbids
from planner.facts.model import inference_bytes, parameters_of
from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Spec
    from planner.survey import ModelSurvey, Survey

TACTICS = ("book:finetuning-tactics",)
BYTES_IN_4_BITS, BYTES_IN_16_BITS = 0.5, 2.0
# Operations a token and parameter of an adapter's training with activations recomputed.
LORA_FLOPS = 6.0


@dataclass(frozen=True)
class Limits:
    """What a candidate is held against; None where nothing is known."""

    sequence: int
    tokens: float | None
    answer_tokens: float
    bandwidth: float | None


def _candidates(spec: Spec) -> list[str]:
    """Ids of the models that may become the base: a teacher or draft model only helps."""
    return list(dict.fromkeys(model.id for model in spec.models if model.role in ("candidate", "student")))


@fact(unit="models", cite=TACTICS)
def candidate_models(spec: Spec) -> int:
    """Models of the spec that may become the base."""
    return len(_candidates(spec))


@fact(cite=TACTICS)
def strongest_model(spec: Spec, survey: Survey, thresholds: Mapping[str, float]) -> str:
    """The largest candidate that nothing known speaks against.

    What cannot be met by any candidate is given up in this order: time and money, latency, memory for serving,
    context, memory for training, memory for answering, licence. Of what is left it is the largest, unless not even
    answering fits: then the smallest.
    """
    return _choose(spec, survey, thresholds)[0]


@fact(cite=TACTICS)
def larger_left_for(spec: Spec, survey: Survey, thresholds: Mapping[str, float]) -> str:
    """Why the largest candidate is not the base.

    `nothing` when it is; else `licence`, `memory`, `training-memory`, `context`, `serving-memory`, `latency`, `effort`.
    """
    return _choose(spec, survey, thresholds)[1]


def _choose(spec: Spec, survey: Survey, thresholds: Mapping[str, float]) -> tuple[str, str]:
    names = _candidates(spec) or [spec.models[0].id]
    # Of equally large ones what is known of them chooses, and neither their names nor the order in the spec.
    told = {model.id: (model.license is None, model.license or "", model.dtype or "") for model in spec.models}
    names.sort(key=told.__getitem__)
    sizes = {name: parameters_of(survey.models[name]) or 0 for name in names}
    largest = max(names, key=sizes.__getitem__)
    limits = _limits(spec, survey, thresholds)
    left, reason, nothing_holds = names, "nothing", False
    for label, excludes in _TESTS.items():
        kept = [
            name
            for name in left
            if (survey.models[name].kind == "endpoint" and label in _OF_THIS_MACHINE)
            or not excludes(spec, survey, survey.models[name], limits)
        ]
        if kept:
            if largest in left and largest not in kept:
                reason = label
            left = kept
        elif label == "memory":
            nothing_holds = True
    chosen = min(left, key=sizes.__getitem__) if nothing_holds else max(left, key=sizes.__getitem__)
    return chosen, "memory" if nothing_holds and chosen != largest else reason


def _limits(spec: Spec, survey: Survey, thresholds: Mapping[str, float]) -> Limits:
    train = survey.data.get("train") or survey.data.get("preferences")
    longest = train.tokens.max if train and train.tokens else None
    sequence = longest or int((train.mean_tokens if train else None) or thresholds["assumed_row_tokens"])
    tokens = None
    if train and train.rows:
        each = (train.mean_tokens or thresholds["assumed_row_tokens"]) + thresholds["instruction_tokens"]
        tokens = train.rows * each * thresholds["assumed_epochs"]
    answer = train.completion_tokens.mean if train and train.completion_tokens else None
    if answer is None:
        short = spec.task.output.format == "label"
        answer = thresholds["candidate_label_tokens" if short else "candidate_answer_tokens"]
    entry = catalog_entry(survey)
    bandwidth = entry.bandwidth_gb_per_s * GB if entry and entry.bandwidth_gb_per_s else None
    return Limits(sequence, tokens, answer, bandwidth)


def _licence(spec: Spec, survey: Survey, model: ModelSurvey, limits: Limits) -> bool:  # noqa: ARG001
    return bool(model_forbids(spec, model))


def _memory(spec: Spec, survey: Survey, model: ModelSurvey, limits: Limits) -> bool:  # noqa: ARG001
    """Whether the devices together cannot answer with the model: in 4 bits, on a processor in 16."""
    device, hardware = survey.hardware.device, survey.hardware
    dtype, each = ("bf16", BYTES_IN_16_BITS) if device.kind == "cpu" else ("nf4", BYTES_IN_4_BITS)
    needed = inference_bytes(model, dtype)
    if isinstance(needed, Unknown):
        needed = (parameters_of(model) or 0) * each
    return bool(device.memory_bytes) and needed > device.memory_bytes * device.count * hardware.nodes


def _training_memory(spec: Spec, survey: Survey, model: ModelSurvey, limits: Limits) -> bool:
    """Whether data to train on are at hand and no way of training fits: a 4-bit base, shared by all devices."""
    device = survey.hardware.device
    if not device.memory_bytes or not (spec.data.train or spec.data.preferences):
        return False
    spread: dict[str, Any] = {"processor": device.kind == "cpu"}
    count = device.count * survey.hardware.nodes
    if count > 1:
        spread |= {"sharding": "fsdp", "devices": count}
    method = "lora" if device.kind == "cpu" else "qlora"
    needed = device_bytes(
        model, method=method, batch=1, sequence=limits.sequence, checkpointing=True, precision="amp", **spread
    )
    return not isinstance(needed, Unknown) and needed > device.memory_bytes


def _context(spec: Spec, survey: Survey, model: ModelSurvey, limits: Limits) -> bool:  # noqa: ARG001
    wanted = spec.task.max_input_tokens
    return bool(wanted and model.context_tokens) and wanted > model.context_tokens  # type: ignore[operator]


def _serving(spec: Spec, survey: Survey, model: ModelSurvey, limits: Limits) -> bool:  # noqa: ARG001
    """Whether not even 4-bit weights fit the memory that serving may take."""
    limit = spec.constraints.max_serving_memory_gb
    size = parameters_of(model)
    return bool(limit and size) and size * BYTES_IN_4_BITS > limit * GB  # type: ignore[operator]


def _latency(spec: Spec, survey: Survey, model: ModelSurvey, limits: Limits) -> bool:
    """Whether reading the 16-bit weights once a token of the answer takes longer than an answer may."""
    allowed, size = spec.constraints.latency_ms, parameters_of(model)
    if not allowed or not size or not limits.bandwidth or spec.constraints.deployment == "device":
        return False
    del survey
    return 1000 * limits.answer_tokens * size * BYTES_IN_16_BITS / limits.bandwidth > allowed


def _effort(spec: Spec, survey: Survey, model: ModelSurvey, limits: Limits) -> bool:
    """Whether training alone takes longer, or costs more, than the whole plan may."""
    hours_allowed, usd_allowed = spec.constraints.max_hours, spec.constraints.budget_usd
    size = parameters_of(model)
    if (hours_allowed is None and usd_allowed is None) or not size or not limits.tokens:
        return False
    count = survey.hardware.device.count * survey.hardware.nodes
    hours = LORA_FLOPS * size * limits.tokens / device_rate(survey).expected / count / 3600
    if hours_allowed is not None and hours > hours_allowed:
        return True
    return usd_allowed is not None and _price(survey) * hours * count > usd_allowed


def _price(survey: Survey) -> float:
    from planner.catalog import price_per_hour

    device = survey.hardware.device
    price = price_per_hour(device.key) if device.key and device.kind != "cpu" else None
    return price.expected_usd_per_hour if price else 0.0


# In the order of weight: what comes first is given up last.
_TESTS = {
    "licence": _licence,
    "memory": _memory,
    "training-memory": _training_memory,
    "context": _context,
    "serving-memory": _serving,
    "latency": _latency,
    "effort": _effort,
}
# A model that a server answers for is held against none of these.
_OF_THIS_MACHINE = frozenset({"memory", "training-memory", "serving-memory", "latency", "effort"})
