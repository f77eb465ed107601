"""Scores of one answer, strict and lenient, as pure functions in a table.

Strict is what a program that reads the answer would accept. Lenient looks for the right content in the text around it:
the first JSON object, the first label, the expected words. Where the two differ, the form fails and not the content.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Literal

from executors.evaluate.execution import execution_accuracy
from executors.evaluate.final_answers import final_answer, marked
from executors.evaluate.text_scores import chrf, normalised_match, rouge_l, sentence_bleu, token_f1
from executors.evaluate.validity import code_valid, html_valid, sql_valid, yaml_valid
from executors.json_answers import MISSING, Missing, label_of, leaves, same
from executors.text_match import contains, find_label

if TYPE_CHECKING:
    from collections.abc import Callable

    from executors.evaluate.case import Case

Metric = Literal[
    "accuracy", "agreement", "bleu", "chrf", "code_valid", "contains", "exact_match", "execution_accuracy",
    "final_answer", "html_valid", "json_exact", "json_valid", "judge", "label_accuracy", "macro_f1",
    "normalised_match", "perplexity", "preference_accuracy", "rouge_l", "schema_valid", "slot_f1", "sql_valid",
    "token_f1", "yaml_valid",
]  # fmt: skip


def exact_match(case: Case, *, strict: bool) -> bool:
    """Strict: the same text. Lenient: the expected words stand in the answer, whatever case and spaces."""
    if strict or case.same_text:
        return case.same_text
    if case.form.format == "json":
        return json_exact(case, strict=False)
    if case.form.format == "label":
        return label_accuracy(case, strict=False)
    return contains_answer(case, strict=False)


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


def contains_answer(case: Case, *, strict: bool) -> bool:
    """An accepted answer stands in the text as whole words; there is nothing stricter to ask."""
    del strict
    return any(contains(case.prediction, text) for text in case.accepted)


def accuracy(case: Case, *, strict: bool) -> bool:
    """The right answer by the task's form: the label, the JSON value, what reasoning ends with, or the text."""
    if case.form.format == "label" or case.form.labels:
        return label_accuracy(case, strict=strict)
    if case.form.format == "json":
        return json_exact(case, strict=strict)
    if marked(case.expected) is not None:
        return final_answer(case, strict=strict)
    return normalised_match(case, strict=strict)


# Right or wrong, case by case: pooled as a share.
SHARES: dict[str, Callable[..., bool]] = {
    "accuracy": accuracy,
    "code_valid": code_valid,
    "contains": contains_answer,
    "exact_match": exact_match,
    "execution_accuracy": execution_accuracy,
    "final_answer": final_answer,
    "html_valid": html_valid,
    "json_exact": json_exact,
    "json_valid": json_valid,
    "label_accuracy": label_accuracy,
    "normalised_match": normalised_match,
    "schema_valid": schema_valid,
    "sql_valid": sql_valid,
    "yaml_valid": yaml_valid,
}
# Partly right, 0 to 1 a case: pooled as a mean.
MEANS: dict[str, Callable[..., float]] = {"rouge_l": rouge_l, "token_f1": token_f1}
# Scored a case for comparison between rungs, but pooled over the whole corpus.
SENTENCES: dict[str, Callable[..., float]] = {"bleu": sentence_bleu, "chrf": chrf}
SCORES: dict[str, Callable[..., float]] = {**SHARES, **MEANS, **SENTENCES}
