"""An answer beside what was expected, with each reading of it made once."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from executors.json_answers import Missing, label_property, parse_lenient, parse_strict

if TYPE_CHECKING:
    from pathlib import Path

    from planner.documents import JsonValue
    from planner.documents.task import OutputFormat


@dataclass(frozen=True)
class AnswerForm:
    """The form that answers must have."""

    format: OutputFormat
    schema: dict[str, Any] | None = None
    labels: tuple[str, ...] = ()
    grammar: str | None = None
    """A grammar in EBNF that decoding can be held to, or the regular expression where it is held to a pattern."""

    @cached_property
    def label_name(self) -> str | None:
        """The property of a JSON answer that is its label."""
        return label_property(self.schema) if self.format == "json" else None

    @cached_property
    def validator(self) -> Any:
        """Tests a value against the schema (JSON Schema 2020-12)."""
        from jsonschema import Draft202012Validator

        return Draft202012Validator(self.schema or {})


@dataclass(frozen=True)
class Case:
    """A prediction beside what was expected, each JSON reading made once."""

    form: AnswerForm
    prediction: str
    expected: str
    others: tuple[str, ...] = ()
    """Further answers that count as right."""
    database: Path | None = None
    """The SQLite file that predicted queries are run against."""

    @property
    def accepted(self) -> tuple[str, ...]:
        """Every answer that counts as right."""
        return (self.expected, *self.others)

    @property
    def same_text(self) -> bool:
        """Whether the prediction is an accepted text, spaces around it aside."""
        return any(self.prediction.strip() == text.strip() for text in self.accepted)

    @cached_property
    def strict(self) -> JsonValue | Missing:
        """The prediction as JSON, when all of it is."""
        return parse_strict(self.prediction)

    @cached_property
    def lenient(self) -> JsonValue | Missing:
        """The first JSON object in the prediction."""
        return parse_lenient(self.prediction)

    @cached_property
    def wanted(self) -> JsonValue | Missing:
        """The expected answer as JSON."""
        return parse_strict(self.expected)

    def value(self, *, strict: bool) -> JsonValue | Missing:
        """The prediction as JSON, read strictly or leniently."""
        return self.strict if strict else self.lenient
