"""What a review knows beside the configuration: the model, the hardware, the data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.documents import (
    Data,
    DataSource,
    Hardware,
    InputError,
    ModelReference,
    Spec,
    Task,
    validate,
)
from planner.survey import DataSurvey, ModelSurvey, survey_hardware
from planner.survey.data_files import look_at_data
from planner.survey.model_files import look_at_model

if TYPE_CHECKING:
    from planner.documents import HardwareRecord
    from planner.review.configuration import Configuration

# A published copy in another form: the shape is that of the model it was made from.
_COPY = re.compile(
    r"[-_.](?:unsloth[-_])?(?:bnb[-_]4bit|bnb[-_]8bit|gptq|awq|int4|int8|4bit|8bit|fp8|hqq|aqlm|gguf|mlx).*$",
    re.IGNORECASE,
)
# A file of rows that is larger than this is left to the spec's survey.
MAX_DATA_BYTES = 200 * 10**6
ROLES = ("train", "validation", "test", "preferences")


@dataclass(frozen=True)
class Options:
    """What is known of one configuration's surroundings; None and absent are unknown."""

    model: ModelSurvey | None = None
    model_source: str = ""
    """How the model was found, when not by its own id."""
    hardware: HardwareRecord | None = None
    data: Mapping[str, DataSurvey] = field(default_factory=dict)


def hardware_of(hardware: str | Mapping[str, Any] | Hardware | None) -> HardwareRecord | None:
    """The hardware that a caller names.

    Raises:
        InputError: it is not in the catalog, or declared wrongly.
    """
    if hardware is None:
        return None
    if isinstance(hardware, Mapping):
        hardware = validate(Hardware, dict(hardware), code="HARD")
    return survey_hardware(hardware, Path())


def options_for(
    configuration: Configuration,
    *,
    model: str | None,
    hardware: HardwareRecord | None,
    data: Mapping[str, DataSurvey],
) -> Options:
    """What is known beside one configuration; the caller's word stands before what its file names.

    Raises:
        InputError: the caller names a model that is not there.
    """
    named = model or configuration.value("base_model")
    found, source = (None, "") if not isinstance(named, str) else _model(named, str(configuration.folder))
    if model is not None and found is None:
        message = f"The model `{model}` is not there: no folder or file, not in the cache, not in the catalog."
        raise InputError.one("MODEL001", message, "Give an id that `adapt models` lists, or a folder with config.json.")
    return Options(found, source, hardware, data or _local_data(configuration))


@lru_cache(maxsize=512)
def _model(name: str, folder: str) -> tuple[ModelSurvey | None, str]:
    """The survey of a model by its id, else by the id of the catalog that its name copies."""
    for base in (Path(folder), Path()):
        survey = _look(name, base)
        if survey is not None:
            return survey, ""
    bare = name.rstrip("/").rpartition("/")[2]
    for candidate in dict.fromkeys((bare, _COPY.sub("", bare))):
        survey = _look(candidate, Path()) if candidate else None
        if survey is not None and survey.kind == "catalog":
            return survey, f"`{name}` is taken to have the shape of {survey.catalog_id}, by its name"
    return None, ""


def _look(name: str, folder: Path) -> ModelSurvey | None:
    survey, findings = look_at_model(ModelReference(id=name), folder)
    return None if survey is None or any(item.severity == "error" for item in findings) else survey


def data_of(data: object) -> dict[str, DataSurvey]:
    """The data that a caller names: a path or a number of rows to train on, or a mapping by role.

    Raises:
        InputError: a file cannot be read, or a role is not known.
    """
    if data is None:
        return {}
    if isinstance(data, str | Path | int):
        data = {"train": data}
    if not isinstance(data, Mapping):
        message = "The data is neither a path, a number of rows, nor a mapping by role."
        raise InputError.one("DATA001", message, f"Roles: {', '.join(ROLES)}.")
    sources = {role: _source(item) for role, item in data.items()}
    return _survey(validate(Data, sources, code="DATA"), Path(), strict=True)


def _source(item: object) -> object:
    if isinstance(item, int) and not isinstance(item, bool):
        return {"examples": item}
    return str(item) if isinstance(item, Path) else item


def _survey(data: Data, folder: Path, *, strict: bool) -> dict[str, DataSurvey]:
    spec = Spec(task=Task(description="-"), models=(ModelReference(id="-"),), data=data)
    surveys, findings = look_at_data(spec, folder)
    # Rows that stand in two sets are for the rules to judge.
    errors = [item for item in findings if item.severity == "error" and item.code not in ("DATA030", "DATA031")]
    if errors and strict:
        raise InputError(errors)
    return surveys


def _local_data(configuration: Configuration) -> dict[str, DataSurvey]:
    """The rows of the files that a configuration names, as far as they lie on this machine in a shape that is known."""
    sources = {}
    for role, setting in (("train", "datasets"), ("test", "eval_datasets")):
        names: list[Any] = configuration.value(setting) or []
        path = _file(str(names[0]), configuration.folder) if len(names) == 1 else None
        if path is not None:
            sources[role] = DataSource(path=path)
    if not sources:
        return {}
    return _survey(Data(**sources), configuration.folder, strict=False)


def _file(name: str, folder: Path) -> str | None:
    path = name.rpartition("@")[0]
    file = folder / path
    try:
        readable = file.suffix.lower() in (".jsonl", ".ndjson") and file.is_file()
        return path if readable and file.stat().st_size <= MAX_DATA_BYTES else None
    except (OSError, ValueError):
        return None


def known_model(name: str, folder: Path) -> ModelSurvey | None:
    """The survey of a model by its id, or by the id of the catalog that its name copies; None when it is not known."""
    return _model(name, str(folder))[0]
