"""How much of the right content an answer holds, whatever its form; and whether its form holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from executors.evaluate.execution import verdict
from executors.evaluate.final_answers import final_answer, marked
from executors.evaluate.metrics import json_exact, label_accuracy
from executors.evaluate.text_scores import token_f1
from executors.evaluate.validity import code_valid, fenced, html_valid, sql_valid, yaml_valid
from executors.json_answers import Missing, leaves

if TYPE_CHECKING:
    from collections.abc import Callable

    from executors.evaluate.case import Case

# Of words shared with an accepted answer: beyond it, two people would mostly call the answers the same.
TEXT_RIGHT = 0.6
# What is not the same code is not right, however alike it looks.
NOT_WHOLE = 0.99
READERS: dict[str, Callable[..., bool]] = {
    "yaml": yaml_valid,
    "sql": sql_valid,
    "html": html_valid,
    "code": code_valid,
}


def content(case: Case) -> float:
    """How much of the expected content the answer holds, 0 to 1, read leniently.

    JSON: F1 of its values with their paths, the label among them. Labels: right or wrong. Text: best F1 of words with
    an accepted answer, 1 where one stands in it; of reasoning whether it ends right. Code and the like: the same text,
    or the same rows where a query can be run, else less than 1 by its words.
    """
    if case.form.format == "json":
        return _json(case)
    if case.form.format == "label":
        return float(any(label_accuracy(each, strict=False) for each in _each(case)))
    if case.form.format == "text":
        reasons = marked(case.expected) is not None
        return float(final_answer(case, strict=False)) if reasons else token_f1(case, strict=False)
    said = replace(case, prediction=fenced(case.prediction))
    same = any(said.prediction.split() == text.split() for text in case.accepted)
    if same or (case.database is not None and verdict(said, strict=True).right):
        return 1.0
    return min(NOT_WHOLE, token_f1(said, strict=True))


def is_right(case: Case, score: float) -> bool:
    """Whether an answer with that much content counts as right."""
    return score >= (TEXT_RIGHT if case.form.format == "text" else 1.0)


def well_formed(case: Case) -> bool:
    """Whether the program that the answer is for can read all of it."""
    form = case.form
    if form.format == "json":
        return not isinstance(case.strict, Missing) and bool(form.validator.is_valid(case.strict))
    if form.format == "label":
        return case.prediction.strip() in form.labels
    reader = READERS.get(form.format)
    return bool(case.prediction.strip()) if reader is None else reader(case, strict=True)


def _json(case: Case) -> float:
    if any(json_exact(each, strict=False) for each in _each(case)):
        return 1.0
    return max(_leaf_f1(each) for each in _each(case))


def _leaf_f1(case: Case) -> float:
    said, wanted = Counter(leaves(case.lenient)), Counter(leaves(case.wanted))
    if not said or not wanted:
        return 0.0
    return 2 * (said & wanted).total() / (said.total() + wanted.total())


def _each(case: Case) -> list[Case]:
    """The case once for each accepted answer."""
    return [replace(case, expected=text, others=()) for text in case.accepted]
