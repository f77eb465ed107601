"""Scores of one answer, strict and lenient, as pure functions.

Strict is what a program that reads the answer would accept. Lenient looks for the right content in the text around it:
the first JSON object, the first label, the expected words. Where the two differ, the form fails and not the content.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from executors.json_answers import MISSING, Missing, label_of, label_property, leaves, parse_lenient, parse_strict, same

if TYPE_CHECKING:
    from collections.abc import Callable

    from planner.documents import JsonValue
    from planner.documents.task import OutputFormat

Metric = Literal["exact_match", "label_accuracy", "json_valid", "schema_valid", "json_exact", "slot_f1", "agreement"]


@dataclass(frozen=True)
class AnswerForm:
    """The form that answers must have."""

    format: OutputFormat
    schema: dict[str, Any] | None = None
    labels: tuple[str, ...] = ()

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

    @property
    def same_text(self) -> bool:
        """Whether the prediction is the expected text, spaces around it aside."""
        return self.prediction.strip() == self.expected.strip()

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


def exact_match(case: Case, *, strict: bool) -> bool:
    """Strict: the same text. Lenient: the expected words stand in the answer, whatever case and spaces."""
    if strict or case.same_text:
        return case.same_text
    if case.form.format == "json":
        return json_exact(case, strict=False)
    if case.form.format == "label":
        return label_accuracy(case, strict=False)
    return contains(case.prediction, case.expected)


def label_accuracy(case: Case, *, strict: bool) -> bool:
    """The right label: alone or as the label property of JSON; lenient, the first label found in the text."""
    name = case.form.label_name
    if name is not None:
        wanted = label_of(case.wanted, name)
        return wanted is not None and label_of(case.value(strict=strict), name) == wanted
    if strict or case.same_text:
        return case.same_text
    return find_label(case.prediction, case.form.labels or (case.expected,)) == case.expected.strip()


def json_valid(case: Case, *, strict: bool) -> bool:
    """The answer is JSON."""
    return case.value(strict=strict) is not MISSING


def schema_valid(case: Case, *, strict: bool) -> bool:
    """The answer is JSON that the schema allows."""
    value = case.value(strict=strict)
    return not isinstance(value, Missing) and bool(case.form.validator.is_valid(value))


def json_exact(case: Case, *, strict: bool) -> bool:
    """The answer is the same JSON value as expected, however it is written."""
    value = case.value(strict=strict)
    return not isinstance(value, Missing) and not isinstance(case.wanted, Missing) and same(value, case.wanted)


def slot_counts(case: Case, *, strict: bool) -> tuple[int, int, int]:
    """(right, predicted, expected) pairs of path and value, the label aside, ignoring case."""
    name = case.form.label_name
    predicted = Counter(leaves(case.value(strict=strict), leave_out=name))
    expected = Counter(leaves(case.wanted, leave_out=name))
    return (predicted & expected).total(), predicted.total(), expected.total()


SCORES: dict[str, Callable[..., bool]] = {
    "exact_match": exact_match,
    "label_accuracy": label_accuracy,
    "json_valid": json_valid,
    "schema_valid": schema_valid,
    "json_exact": json_exact,
}


def normal(text: str) -> str:
    """The words of a text: one case, single spaces, no punctuation around words."""
    return " ".join(word for word in (part.strip(".,;:!?\"'`()[]*") for part in text.casefold().split()) if word)


def contains(text: str, wanted: str) -> bool:
    """Whether the wanted words stand in the text, in order and as whole words."""
    words = normal(wanted)
    return bool(words) and f" {words} " in f" {normal(text)} "


def find_label(text: str, labels: tuple[str, ...]) -> str | None:
    """The label that stands first in the text as whole words; the longer one where two start at the same place."""
    found = []
    for label in labels:
        match = re.search(rf"(?<!\w){re.escape(label)}(?!\w)", text, re.IGNORECASE)
        if match:
            found.append((match.start(), -len(label), label))
    return min(found)[2] if found else None
