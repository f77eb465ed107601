"""What a decision takes as its answer."""

from __future__ import annotations

from math import isfinite
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.documents import JsonValue
    from planner.rules.book import Question

FORMS = {
    "any": "any value",
    "word": "a word",
    "names": "a word, or a list of words",
    "flag": "true or false",
    "number": "a number of zero or more",
    "count": "a whole number of one or more",
}
"""The forms of answers that are not a list of words, as people say them."""
KINDS = {"word": "word", "names": "word", "flag": "bool", "number": "number", "count": "number"}
"""The kind of fact that can give an answer of a form."""


def is_answer(question: Question, word: JsonValue) -> bool:
    """Whether a value is an answer by its form; of a decision that collects, whether it is one of its words."""
    if not isinstance(question.answers, str):
        return isinstance(word, str) and word in question.answers
    is_number = isinstance(word, int | float) and not isinstance(word, bool)
    return {
        "any": True,
        "word": isinstance(word, str) and bool(word),
        "names": all(isinstance(name, str) and name for name in (word if isinstance(word, list) and word else [word])),
        "flag": isinstance(word, bool),
        "number": is_number and isfinite(word) and word >= 0,  # type: ignore[arg-type, operator]
        "count": is_number and isinstance(word, int) and word >= 1,
    }[question.answers]


def allowed(question: Question) -> str:
    """The sentence that says what a decision takes."""
    if isinstance(question.answers, str):
        return f"It takes {FORMS[question.answers]}."
    words = ", ".join(question.answers)
    return f"Give a list of: {words}." if question.policy == "collect" else f"Allowed: {words}."
