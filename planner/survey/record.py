"""The survey as a plan records it, so that its decisions can be made again without the files."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, TypeVar

from planner.survey.data_survey import DataSurvey, Lengths, Overlap
from planner.survey.failures import Failures
from planner.survey.model_survey import ModelSurvey
from planner.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import HardwareRecord

T = TypeVar("T")
# Places on one machine, and what is read from them again when it is needed.
_LOCAL = frozenset({"path", "tokenizer", "gguf"})


def surveyed(survey: Survey) -> dict[str, Any]:
    """What was found of data, models, failures and the answers' schema, as plain values; hardware stands in the plan itself."""
    found: dict[str, Any] = {
        "data": {role: _plain(data) for role, data in survey.data.items()},
        "models": {name: _plain(model, _LOCAL) for name, model in survey.models.items()},
    }
    if survey.failures is not None:
        found["failures"] = _plain(survey.failures)
    if survey.schema is not None:
        found["schema"] = dict(survey.schema)
    return found


def survey_of(record: Mapping[str, Any], hardware: HardwareRecord) -> Survey:
    """The survey that a plan recorded.

    Args:
        record: what `surveyed` returned, perhaps of another version: names that are not known are left out.
        hardware: the plan's.
    """
    failures = record.get("failures")
    return Survey(
        hardware=hardware,
        hardware_sources={},
        data={role: _data(values) for role, values in record.get("data", {}).items()},
        models={name: _made(ModelSurvey, values) for name, values in record.get("models", {}).items()},
        failures=_made(Failures, failures) if failures else None,
        schema=record.get("schema"),
        findings=(),
    )


def _data(values: Mapping[str, Any]) -> DataSurvey:
    lengths = {name: Lengths(**values[name]) for name in _LENGTHS if values.get(name)}
    overlaps = tuple(Overlap(**(item | {"ids": tuple(item["ids"])})) for item in values.get("overlaps", ()))
    return _made(DataSurvey, {**values, **lengths, "overlaps": overlaps})


_LENGTHS = ("tokens", "prompt_tokens", "completion_tokens")


def _plain(item: Any, without: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The fields that are not as they are by default."""
    found = {}
    for each in fields(item):
        value = getattr(item, each.name)
        default = each.default_factory() if each.default_factory is not MISSING else each.default
        if each.name not in without and (default is MISSING or value != default):
            found[each.name] = _value(value)
    return found


def _value(value: Any) -> Any:
    if isinstance(value, Lengths | Overlap):
        return {each.name: _value(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return dict(value) if hasattr(value, "items") else value


def _made(kind: type[T], values: Mapping[str, Any]) -> T:
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: value for name, value in values.items() if name in known})
