"""Which model is meant: a folder, a config.json, a .gguf file, an id of the catalog, or a size alone."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from adapt.estimates.problems import told
from planner.documents import InputError, ModelReference
from planner.memory import KNOWN_TYPES, Architecture, EstimateError, architecture_of_size, read_architecture

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

SIZE = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[mbt])(?:illion)?", re.IGNORECASE)
UNITS = {"m": 1e6, "b": 1e9, "t": 1e12}
#: A guessed shape whose count is further than this from the known one says less than the count alone.
LARGEST_DIFFERENCE = 0.02


class Sized(NamedTuple):
    """A model whose memory can be computed. ids: every name of the catalog that has this very shape."""

    id: str
    architecture: Architecture
    source: str
    ids: tuple[str, ...] = ()
    stored_dtype: str | None = None
    context_tokens: int | None = None


def model_of(name: str) -> Sized:
    """The model that a word of the command line means.

    Args:
        name: a folder, a config.json, a .gguf file, an id of the catalog or of the local hub cache, or a size (`7b`).

    Raises:
        InputError: nothing of that name is known, or its files say too little.
    """
    path = Path(name)
    size = SIZE.fullmatch(name.strip())
    if size and not path.exists():
        return model_of_size(float(size["number"]) * UNITS[size["unit"].lower()], name)
    if path.suffix == ".json" or (path.is_file() and path.suffix.lower() != ".gguf"):
        from planner.survey.plain_text import read_json

        config = read_json(path, name, code="MODEL")
        if not isinstance(config, dict):
            raise InputError.one("MODEL016", f"`{name}` holds no JSON object.", "Name a config.json.", file=name)
        with told():
            return Sized(name, read_architecture(config), "config.json", stored_dtype=_stored(config))
    return _surveyed(name, path)


def model_of_size(parameters: float, name: str = "") -> Sized:
    """A model of which only the number of parameters is known.

    Raises:
        InputError: the number is not that of a model.
    """
    if not math.isfinite(parameters):
        message = f"The size {parameters} is not that of a model."
        raise InputError.one("MEM007", message, "Give a number of parameters, such as 7e9.", pointer="/params")
    with told():
        return Sized(name or f"{parameters:g} parameters", architecture_of_size(round(parameters)), "size")


def every_model() -> Iterator[Sized]:
    """The models of the catalog, one for each shape, in the order of their ids; every id of a shape is in `ids`."""
    from planner.catalog import all_models

    shapes: dict[int, Sized] = {}
    for model in all_models():
        architecture = _shape(model.config, model.params)
        found = shapes.get(id(architecture))
        shapes[id(architecture)] = (
            found._replace(ids=(*found.ids, model.id))
            if found
            else Sized(model.id, architecture, "catalog", (model.id,), model.dtype, model.context_tokens)
        )
    yield from shapes.values()


def _surveyed(name: str, path: Path) -> Sized:
    from planner.survey import survey_model

    named_path = path.exists() or path.suffix.lower() == ".gguf" or name.startswith((".", "/", "~", "package:"))
    if named_path:
        reference = ModelReference(id=path.name or name, path=str(path.expanduser()))
    else:
        reference = ModelReference(id=name)
    survey = survey_model(reference, Path())
    if not survey.config and not survey.params:
        fix = "Give its size instead, such as --params 7e9."
        raise InputError.one("MEM003", f"Nothing is known of the shape of `{name}`.", fix)
    with told():
        architecture = (
            _shape(survey.config, survey.params) if survey.config else architecture_of_size(survey.params or 0)
        )
    kind = survey.kind if survey.config else "size"
    known = survey.catalog_id or name
    return Sized(name, architecture, kind, (known,), survey.dtype, survey.context_tokens)


def _shape(config: Mapping[str, Any], parameters: int | None) -> Architecture:
    """The architecture, or what the count alone says where the shape was guessed and counts otherwise."""
    kind = str(config.get("model_type") or "")
    try:
        found = read_architecture(config)
    except EstimateError:
        if parameters is None or kind in KNOWN_TYPES:
            raise
        return _of_count(kind, parameters)
    if parameters is None or found.known or abs(found.parameters / parameters - 1) <= LARGEST_DIFFERENCE:
        return found
    return _of_count(kind, parameters)


@cache
def _of_count(kind: str, parameters: int) -> Architecture:
    missing = f"model_type {kind!r} has no table; only its {parameters:,} parameters are counted"
    return replace(architecture_of_size(parameters), missing=(missing,))


def _stored(config: Mapping[str, Any]) -> str | None:
    written = str(config.get("dtype") or config.get("torch_dtype"))
    return {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}.get(written)


def chosen_models(names: Iterable[str]) -> list[Sized]:
    """The named models, or every shape of the catalog when none is named.

    Raises:
        InputError: a name is not known.
    """
    return [model_of(name) for name in names] or list(every_model())
