"""Which written rows are worth learning from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from executors.evaluate.case import Case
from executors.evaluate.metrics import SCORES
from executors.json_answers import label_of

if TYPE_CHECKING:
    from executors.evaluate.backends import Answer
    from executors.evaluate.case import AnswerForm

# What an answer must pass, by its form.
VALID = {"json": "json_valid", "code": "code_valid", "sql": "sql_valid", "yaml": "yaml_valid", "html": "html_valid"}


def refused(answer: Answer, form: AnswerForm) -> str | None:
    """Why an answer is not learned from, in a word for the counts; None when it is."""
    reasons = (("failed", bool(answer.error)), ("empty", not answer.text.strip()), ("cut_off", answer.cut))
    return next((name for name, holds in reasons if holds), None) or _misshapen(answer.text.strip(), form)


def _misshapen(text: str, form: AnswerForm) -> str | None:
    """What is wrong with the form of an answer."""
    case = Case(form, text, text)
    check = "schema_valid" if form.format == "json" and form.schema else VALID.get(form.format)
    if check is not None and not SCORES[check](case, strict=True):
        return "invalid"
    if form.labels and (label_of(case.strict, form.label_name) if form.label_name else text) not in form.labels:
        return "not_a_label"
    return None
