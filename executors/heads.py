"""Classifiers: models with a head that gives one score a label. How they are known, loaded, kept and asked.

Three kinds are known: a whole model folder, an adapter with the head beside it, and a linear probe, which is a head
on the features of a frozen model.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from executors.models import Dtype, load_adapter, read_model, refuse_missing
from planner.documents import InputError, pretty_json

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from executors.data import Row
    from executors.quantized import Quantization

KIND = "ForSequenceClassification"
LABELS = "labels.json"
PROBE = "linear-probe"
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"


class Probe(NamedTuple):
    """A linear head on the mean of a layer's hidden states: scores are `features @ weight.T + bias`."""

    layer: int
    """Hidden states after this layer, counted from 1, are averaged over the tokens."""
    labels: tuple[str, ...]
    weight: Any
    """(labels, width) in fp32."""
    bias: Any
    """(labels,) in fp32."""


def is_classifier(inputs: Mapping[str, Path | str]) -> bool:
    """Whether what answers for a job's inputs is a classifier, by its files."""
    if "adapter" in inputs:
        return (Path(inputs["adapter"]) / LABELS).is_file()
    return "model" in inputs and is_classifier_model(Path(inputs["model"]))


def is_classifier_model(folder: Path) -> bool:
    """Whether a model folder holds a model with a head over labels, by its configuration."""
    names = _config(folder / "config.json").get("architectures") or []
    return any(str(name).endswith(KIND) for name in names)


def labels_of(model: Path, adapter: Path | None) -> tuple[str, ...]:
    """The labels of a classifier, in the order of its scores."""
    if adapter is not None:
        return tuple(json.loads((adapter / LABELS).read_text(encoding="utf-8")))
    names = _config(model / "config.json").get("id2label") or {}
    return tuple(names[key] for key in sorted(names, key=int))


def is_probe(folder: Path) -> bool:
    """Whether a folder holds a linear probe, by its configuration."""
    return _config(folder / CONFIG).get("adapter_type") == PROBE


def load_classifier(
    folder: Path,
    dtype: Dtype,
    labels: Sequence[str],
    pad_id: int,
    *,
    attention: str = "sdpa",
    device: str | None = None,
    quantization: Quantization = "none",
) -> Any:
    """A model with a head over labels, in evaluation mode; what the folder lacks of the head is drawn at random.

    The attribute `fresh_modules` names the modules that the folder lacked, with the head itself: they must be trained.

    Args:
        folder: a model of any head, or of this one.
        dtype: data type of the weights.
        labels: in the order of the scores.
        pad_id: token that pads; the last token before it is what the head of a decoder reads.
        attention: kernel.
        device: where to; the best that there is when None.
        quantization: what the linear layers but the head are rounded to.

    Raises:
        InputError: the folder holds no model that can be read, or lacks more than a head.
    """
    model, missing = read_model(
        folder,
        dtype,
        f"AutoModel{KIND}",
        attention=attention,
        device=device,
        quantization=quantization,
        whole=() if quantization == "none" else head_modules(folder),
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: number for number, label in enumerate(labels)},
        pad_token_id=pad_id,
        ignore_mismatched_sizes=True,
    )
    inner = f"{model.base_model_prefix}."
    refuse_missing([name for name in missing if name.startswith(inner) and ".pooler." not in name], folder)
    model.fresh_modules = fresh_modules(model, missing)
    return model


def load_labelling(
    model: Path,
    adapter: Path | None,
    dtype: Dtype,
    quantization: Quantization,
    pad_id: int,
    *,
    device: str | None = None,
) -> Any:
    """The classifier of a model folder, or of a base and an adapter that was trained with a head."""
    labels = labels_of(model, adapter)
    found = load_classifier(model, dtype, labels, pad_id, quantization=quantization, device=device)
    return found if adapter is None else load_adapter(found, adapter)


def fresh_modules(model: Any, missing: Collection[str]) -> tuple[str, ...]:
    """The largest modules of which no tensor was in the folder, with those that hold the head, sorted by name."""
    head = _head_of(model)
    fresh = set(missing) | {name for name, _ in model.named_parameters() if name.partition(".")[0] in head}
    held: dict[str, set[str]] = {}
    for name, _ in model.named_parameters():
        parts = name.split(".")
        for depth in range(1, len(parts)):
            held.setdefault(".".join(parts[:depth]), set()).add(name)
    whole = {module for module, names in held.items() if names <= fresh}
    return tuple(sorted(module for module in whole if module.rpartition(".")[0] not in whole))


def _head_of(model: Any) -> list[str]:
    return [name for name, _ in model.named_children() if name != model.base_model_prefix]


def head_modules(folder: Path) -> list[str]:
    """Names of the modules of a classifier beside its body, and of the body's pooler, without reading any weights."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    with torch.device("meta"):
        config = AutoConfig.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSequenceClassification.from_config(config)
    return [*_head_of(model), f"{model.base_model_prefix}.pooler"]


def text_of(row: Row) -> str:
    """What a classifier reads of a row: the request, after the turns before it."""
    return "\n".join([*(turn["content"] for turn in row.before), row.prompt])


def write_labels(labels: Sequence[str], folder: Path) -> None:
    """Keep the labels beside an adapter, whose own configuration has no place for them."""
    (folder / LABELS).write_text(json.dumps(list(labels), ensure_ascii=False) + "\n", encoding="utf-8")


def save_probe(probe: Probe, folder: Path) -> None:
    """Write a probe into a new folder: safetensors, its layer, its labels."""
    from safetensors.torch import save_file

    folder.mkdir()
    save_file({"weight": probe.weight.contiguous(), "bias": probe.bias.contiguous()}, folder / WEIGHTS)
    config = {"adapter_type": PROBE, "layer": probe.layer, "pooling": "mean"}
    (folder / CONFIG).write_text(pretty_json(config), encoding="utf-8")
    write_labels(probe.labels, folder)


def load_probe(folder: Path) -> Probe:
    """Read a probe.

    Raises:
        InputError: the files are not those of a probe.
    """
    from safetensors.torch import load_file

    try:
        weights, config = load_file(folder / WEIGHTS), _config(folder / CONFIG)
        labels = tuple(json.loads((folder / LABELS).read_text(encoding="utf-8")))
        return Probe(int(config["layer"]), labels, weights["weight"], weights["bias"])
    except (OSError, ValueError, KeyError) as error:
        message = "The folder does not hold a linear probe that can be read."
        raise InputError.one("MODEL011", message, "Train the probe again.", file=str(folder)) from error


def _config(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
