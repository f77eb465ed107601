"""The answer of `adapt memory` as one document: what fits, the interval, the arithmetic, and what to change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapt.estimates.effort import effort_of, interval
from adapt.estimates.problems import told
from planner.memory import (
    Change,
    InferenceSetting,
    Interval,
    checkpoint_bytes,
    estimate_adapter_merge,
    estimate_inference,
    estimate_loading,
    estimate_quantization,
    estimate_training,
    rule_of_thumb,
    trainable_parameters,
    ways_to_fit,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapt.estimates.devices import Target
    from adapt.estimates.models import Sized
    from planner.memory import RuleOfThumb, TrainingEstimate, TrainingSetting
    from planner.memory.calibration import Calibration

FORMAT = "adapt.memory/1"
STORED = {"qlora": "nf4", "lora-8bit": "int8"}
VALUE_BYTES = {"fp32": 4.0, "bf16": 2.0}
RULE_OPTIMIZERS = {"sgd": "sgd", "momentum": "momentum", "lion": "momentum", "lion-8bit": "momentum"}
#: Bytes that two figures may differ by before a sentence says why.
WORTH_SAYING = 0.05


def memory_report(
    model: Sized,
    setting: TrainingSetting,
    target: Target | None,
    *,
    notes: Sequence[str] = (),
    calibration: Calibration | None = None,
    examples: int | None = None,
    epochs: float = 1.0,
) -> dict[str, Any]:
    """Everything that is known before a model is loaded, in bytes unless a name says otherwise.

    Args:
        model: from `model_of`.
        setting: what is trained and how.
        target: the device; without one `fits`, `changes` and `effort` are None.
        notes: assumptions made while reading the options.
        calibration: what runs on this kind of device measured, or None.
        examples: sequences of training data, for time and cost; 1,000 optimizer steps when None.
        epochs: how often each is seen.

    Raises:
        InputError: a target names no module of the model.
    """
    architecture = model.architecture
    with told():
        estimate = estimate_training(architecture, setting)
        trainable = trainable_parameters(architecture, setting)
        path = ways_to_fit(architecture, setting, target.memory_bytes) if target else []
    if calibration is not None and target is not None:
        estimate = calibration.tightened(estimate, setting, target.kind)
    serving = InferenceSetting(
        dtype=STORED.get(setting.method, "bf16"),
        batch=setting.batch,
        prompt=setting.sequence,
        attention=setting.attention,
    )
    inference = estimate_inference(architecture, serving)
    fits = estimate.fits(target.memory_bytes) if target else None
    effort = None
    if target is not None:
        effort = effort_of(architecture, setting, target, examples=examples, epochs=epochs)
    return {
        "format": FORMAT,
        "model": {
            "id": model.id,
            "source": model.source,
            "type": architecture.model_type or None,
            "known": architecture.known,
            "layers": architecture.layers,
            "context_tokens": model.context_tokens or architecture.max_positions or None,
        },
        "parameters": {
            "total": architecture.parameters,
            "active": architecture.active_parameters,
            "trainable": trainable,
        },
        "setting": setting.model_dump(mode="json"),
        "device": _device(target, setting),
        "fits": fits,
        "training": {
            **_estimate(estimate),
            "peak": estimate.peak,
            "moments": [{"name": moment.name, "bytes": round(moment.bytes)} for moment in estimate.moments],
        },
        "inference": {
            **_estimate(inference),
            "cache_bytes_per_token": round(inference.cache_bytes_per_token),
            "setting": serving.model_dump(mode="json"),
            "fits": inference.fits(target.memory_bytes) if target else None,
        },
        "rule_of_thumb": _rule(model, setting, estimate, trainable),
        "other_phases": _other_phases(model, setting),
        "changes": None if target is None else [_change(change) for change in path] if not fits else [],
        "cheapest_fit": _change(path[-1]) if path and path[-1].fits and not fits else None,
        "effort": effort,
        "provenance": estimate.provenance,
        "assumptions": [*notes, *estimate.assumptions],
    }


def _estimate(estimate: Any) -> dict[str, Any]:
    return {
        "allocated_bytes": interval(estimate.allocated_bytes),
        "reserved_bytes": interval(estimate.reserved_bytes),
        "device_bytes": interval(estimate.device_bytes),
        "items": dict(estimate.items),
        "provenance": estimate.provenance,
        "assumptions": list(estimate.assumptions),
    }


def _device(target: Target | None, setting: TrainingSetting) -> dict[str, Any] | None:
    if target is None:
        return None
    return {
        "key": target.key,
        "name": target.name,
        "count": setting.devices,
        "memory_bytes": target.memory_bytes,
        "like": list(target.like),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "name": change.name,
        "fits": change.fits,
        "device_bytes": interval(change.estimate.device_bytes),
        "items": dict(change.estimate.items),
        "setting": change.setting.model_dump(mode="json"),
    }


def _rule(model: Sized, setting: TrainingSetting, estimate: TrainingEstimate, trainable: int) -> dict[str, Any]:
    """The book's rule for the same setting, beside the estimate, with the sentence why they differ."""
    dtype = STORED.get(
        setting.method, "fp32" if setting.precision == "fp32" or setting.base_dtype == "fp32" else "bf16"
    )
    rule = rule_of_thumb(
        model.architecture.parameters,
        dtype=dtype,
        trainable=trainable,
        optimizer=RULE_OPTIMIZERS.get(setting.optimizer, "adam"),
        value_bytes=4.0 if setting.precision == "fp32" else 2.0,
    )
    expected = estimate.device_bytes.expected
    return {
        "weights_bytes": rule.weights_bytes,
        "gradients_bytes": rule.gradients_bytes,
        "states_bytes": rule.states_bytes,
        "training_bytes": rule.training_bytes,
        "inference_bytes": rule.inference_bytes,
        "difference_bytes": round(expected - rule.training_bytes),
        "why": _why(setting, estimate, rule),
    }


def _why(setting: TrainingSetting, estimate: TrainingEstimate, rule: RuleOfThumb) -> str:
    """One sentence: the items that the rule leaves out or counts otherwise, largest first."""
    items = estimate.items
    kept = items["weights"] + items["gradients"] - rule.weights_bytes - rule.gradients_bytes
    parts = {
        "activations": items["activations"],
        "logits": items["logits"],
        "temporary buffers": items["temporary"],
        "the allocator's holes": items["fragmentation"],
        "the CUDA context": items["context"],
        "weights and gradients in the dtypes that are really held": kept,
        f"the states of {setting.optimizer} in their own dtype": items["optimizer"] - rule.states_bytes,
    }
    share = WORTH_SAYING * max(rule.training_bytes, 1)
    more = sorted(((size, name) for name, size in parts.items() if size > share), reverse=True)
    less = sorted((size, name) for name, size in parts.items() if size < -share)
    said = [f"leaves out {_listed(more)}"] if more else []
    if setting.sharding != "single" and setting.devices > 1:
        said.append("counts one device that holds everything")
    elif less:
        said.append(f"counts too much for {_listed([(-size, name) for size, name in less])}")
    if not said:
        return "The rule and the estimate agree within 5% for each item."
    return f"The rule {' and '.join(said)}."


def _listed(parts: list[tuple[int, str]]) -> str:
    texts = [f"{name} ({size / 1e9:.1f} GB)" for size, name in parts]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def _other_phases(model: Sized, setting: TrainingSetting) -> dict[str, Any]:
    """Loading, one checkpoint on disk, merging the adapter, and quantizing the result."""
    dtype = STORED.get(setting.method, "bf16")
    loading = estimate_loading(model.architecture, dtype=dtype)
    checkpoint: Interval = checkpoint_bytes(model.architecture, setting)
    merging = estimate_adapter_merge(model.architecture)
    quantizing = estimate_quantization(model.architecture, method="gptq", sequence=setting.sequence)
    return {
        "loading": {
            "device_bytes": interval(loading.device_bytes),
            "host_bytes": interval(loading.host_bytes),
            "disk_bytes": interval(loading.disk_bytes),
        },
        "checkpoint": {"disk_bytes": interval(checkpoint)},
        "merging": {"host_bytes": interval(merging.host_bytes), "disk_bytes": interval(merging.disk_bytes)},
        "quantizing": {
            "device_bytes": interval(quantizing.device_bytes),
            "host_bytes": interval(quantizing.host_bytes),
            "disk_bytes": interval(quantizing.disk_bytes),
        },
    }
