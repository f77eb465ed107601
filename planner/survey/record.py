"""The survey as a plan records it, so that its decisions can be made again without the files."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from planner.survey.data_survey import DataSurvey, Lengths, Overlap
from planner.survey.encoder import EncoderSurvey
from planner.survey.failures import Failures
from planner.survey.merge_sources import SourceSurvey
from planner.survey.model_survey import ModelSurvey
from planner.survey.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import HardwareRecord

T = TypeVar("T")
# Places on one machine, and what is read from them again when it is needed.
_LOCAL: dict[type, frozenset[str]] = {ModelSurvey: frozenset({"path", "tokenizer", "gguf"})}
_INNER: dict[str, type] = {
    "tokens": Lengths,
    "prompt_tokens": Lengths,
    "completion_tokens": Lengths,
    "overlaps": Overlap,
    "model": ModelSurvey,
    "base_model": ModelSurvey,
}
"""The kind of the records inside a record, by the name of their field."""


def surveyed(survey: Survey) -> dict[str, Any]:
    """What was found of data, models, failures, schema and merge sources; hardware stands in the plan itself."""
    found: dict[str, Any] = {"data": survey.data, "models": survey.models}
    if survey.failures is not None:
        found["failures"] = survey.failures
    if survey.schema is not None:
        found["schema"] = survey.schema
    if survey.grammar is not None:
        found["grammar"] = survey.grammar
    if survey.merge_sources:
        found["merge_sources"] = survey.merge_sources
    if survey.encoder is not None:
        found["encoder"] = survey.encoder
    return {name: _plain(part) for name, part in found.items()}


def survey_of(record: Mapping[str, Any], hardware: HardwareRecord) -> Survey:
    """The survey that a plan recorded.

    Args:
        record: what `surveyed` returned, perhaps of another version: names that are not known are left out.
        hardware: the plan's.
    """
    failures, encoder = record.get("failures"), record.get("encoder")
    return Survey(
        hardware=hardware,
        hardware_sources={},
        data={role: _made(DataSurvey, values) for role, values in record.get("data", {}).items()},
        models={name: _made(ModelSurvey, values) for name, values in record.get("models", {}).items()},
        failures=_made(Failures, failures) if failures else None,
        schema=record.get("schema"),
        findings=(),
        grammar=record.get("grammar"),
        merge_sources=tuple(_made(SourceSurvey, values) for values in record.get("merge_sources", ())),
        encoder=_made(EncoderSurvey, encoder) if encoder else None,
    )


def _plain(value: Any) -> Any:
    """Plain values; of a record, the fields that are not as they are by default."""
    if is_dataclass(value) and not isinstance(value, type):
        without = _LOCAL.get(type(value), frozenset())
        kept = [each for each in fields(value) if each.name not in without]
        found = {each.name: getattr(value, each.name) for each in kept if getattr(value, each.name) != _default(each)}
        return {name: _plain(item) for name, item in found.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return {name: _plain(item) for name, item in value.items()} if hasattr(value, "items") else value


def _default(each: Any) -> Any:
    return each.default_factory() if each.default_factory is not MISSING else each.default


def _made(kind: type[T], values: Mapping[str, Any]) -> T:
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    return kind(**{name: _value(name, value) for name, value in values.items() if name in known})


def _value(name: str, value: Any) -> Any:
    inner = _INNER.get(name)
    if isinstance(value, list):
        return tuple(_made(inner, item) if inner else item for item in value)
    return _made(inner, value) if inner and value is not None else value
