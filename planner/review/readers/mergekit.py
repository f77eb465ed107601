"""mergekit's YAML files: which models are merged, how, and with which numbers [mergekit-docs]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.review.readers.reading import numbers_in

if TYPE_CHECKING:
    from planner.review.readers.reading import Reading

OWN = frozenset({"merge_method", "slices", "tokenizer_source", "gate_mode", "experts", "layer_range"})
SHARED = frozenset({"models", "base_model", "parameters", "dtype", "out_dtype", "chat_template", "tokenizer"})
SECTIONS = ()


def read(reading: Reading) -> None:
    """Take every setting that the file states."""
    reading.put("objective", "merge", "merge_method")
    reading.put("training", value=False, key="merge_method", stated=False)
    method = "moe" if reading.has("experts", "gate_mode") else reading.raw("merge_method")
    key = "merge_method" if reading.has("merge_method") else "experts"
    reading.put("merge_method", str(method).replace("_", "-") if method else None, key)
    inputs = _inputs(reading)
    names = [name for name, _, _ in inputs]
    reading.put("merge_sources", _taking_part(reading, names), _list_key(reading))
    base = reading.raw("base_model")
    if isinstance(base, dict):
        base = base.get("model", {}).get("path") if isinstance(base.get("model"), dict) else base.get("model")
    reading.put("merge_base", base if isinstance(base, str) else None, "base_model")
    reading.dtype("merge_dtype", "out_dtype", "dtype")
    for name, setting in (("t", "merge_t"), ("density", "merge_density"), ("weight", "merge_weights")):
        _parameter(reading, inputs, name, setting)
    tokenizer = reading.raw("tokenizer_source") or reading.raw("tokenizer")
    word = tokenizer.get("source") if isinstance(tokenizer, dict) else tokenizer
    word = word if isinstance(word, str) else "given" if tokenizer else None
    reading.put("merge_tokenizer", word, "tokenizer_source" if reading.has("tokenizer_source") else "tokenizer")
    reading.take("chat_template", "chat_template")


def _list_key(reading: Reading) -> str:
    return next((key for key in ("models", "slices", "experts") if reading.has(key)), "models")


def _inputs(reading: Reading) -> list[tuple[str, str, dict[str, Any]]]:
    """Name, JSON pointer and parameters of every input of the merge, in the file's order."""
    found = []
    for key in ("models", "experts"):
        items = reading.raw(key)
        for index, item in enumerate(items if isinstance(items, list) else []):
            found += _input(item, f"/{key}/{index}")
    slices = reading.raw("slices")
    for index, part in enumerate(slices if isinstance(slices, list) else []):
        sources = part.get("sources") if isinstance(part, dict) else None
        for at, item in enumerate(sources if isinstance(sources, list) else []):
            found += _input(item, f"/slices/{index}/sources/{at}")
    return found


def _input(item: Any, pointer: str) -> list[tuple[str, str, dict[str, Any]]]:
    if isinstance(item, str):
        return [(item, pointer, {})]
    if not isinstance(item, dict):
        return []
    name = item.get("model") or item.get("source_model")
    name = name.get("path") if isinstance(name, dict) else name
    parameters = item.get("parameters")
    return [(str(name), pointer, parameters if isinstance(parameters, dict) else {})] if name else []


def _taking_part(reading: Reading, names: list[str]) -> list[str] | None:
    """The models that meet: all of `models`, and of slices those of the fullest one, each with its repetitions."""
    slices = reading.raw("slices")
    if not isinstance(slices, list) or reading.has("models"):
        return names or None
    most: list[str] = []
    every: list[str] = []
    for part in slices:
        sources = part.get("sources") if isinstance(part, dict) else None
        here = [name for item in (sources if isinstance(sources, list) else []) for name, _, _ in _input(item, "")]
        most = here if len(here) > len(most) else most
        every += here
    # Stacked slices take one model each: there the models of all slices meet.
    return (most if len(most) > 1 else list(dict.fromkeys(every))) or None


def _parameter(reading: Reading, inputs: list[tuple[str, str, dict[str, Any]]], name: str, setting: str) -> None:
    """Every number of one parameter, from the top level, the slices and the single inputs."""
    numbers: list[float] = []
    pointer = None
    top = reading.raw("parameters")
    if isinstance(top, dict) and name in top:
        numbers += numbers_in(top[name])
        pointer = f"/parameters/{name}"
    slices = reading.raw("slices")
    for index, part in enumerate(slices if isinstance(slices, list) else []):
        inner = part.get("parameters") if isinstance(part, dict) else None
        if isinstance(inner, dict) and name in inner:
            numbers += numbers_in(inner[name])
            pointer = pointer or f"/slices/{index}/parameters/{name}"
    for _, place, parameters in inputs:
        if name in parameters:
            numbers += numbers_in(parameters[name])
            pointer = pointer or f"{place}/parameters/{name}"
    reading.put(setting, numbers or None, name, pointer=pointer)
