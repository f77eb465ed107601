"""What is wrong with an answer, by reading it: its form, or its content."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from executors.diagnose.content import READERS
from executors.evaluate.execution import verdict
from executors.evaluate.final_answers import final_answer, marked
from executors.evaluate.metrics import json_exact
from executors.json_answers import Missing
from executors.text_match import contains, find_label, normal
from planner.documents import Evidence, canonical_json

if TYPE_CHECKING:
    from executors.evaluate.case import Case
    from planner.documents.failures import Symptom

Found = tuple["Symptom", tuple[Evidence, ...]]


def symptom(case: Case) -> Found | None:
    """The symptom of a case and the evidence for it; None when the answer is right.

    `malformed`: no program can read it. `wrong form`: it can be read, or its right content can be found, but it is not
    in the form that was asked for. `wrong content`: the form is right and the content is not.
    """
    if case.form.format == "json":
        return _json(case)
    if case.form.format == "label":
        return _label(case)
    if case.database is not None:
        return _query(case)
    return _syntax(case) or _text(case) if case.form.format in READERS else _text(case)


def _json(case: Case) -> Found | None:
    if json_exact(case, strict=True):
        return None
    if not isinstance(case.strict, Missing):
        parsed = Evidence(test="parse", result="The answer is JSON.")
        broken = next(iter(case.form.validator.iter_errors(case.strict)), None)
        if broken is not None:
            return "wrong form", (parsed, Evidence(test="schema", result=f"At {broken.json_path}: {broken.message}."))
        return "wrong content", (parsed, Evidence(test="schema", result="The schema allows it."))
    if isinstance(case.lenient, Missing):
        return "malformed", (Evidence(test="parse", result="The answer holds no JSON object."),)
    parsed = Evidence(test="parse", result="The answer holds a JSON object with other text around it.")
    if json_exact(case, strict=False):
        return "wrong form", (parsed, Evidence(test="lenient match", result="The object is the expected one."))
    found = f"The object is not the expected one: {canonical_json(case.lenient)}"
    return "malformed", (parsed, Evidence(test="lenient match", result=found))


def _label(case: Case) -> Found | None:
    said, labels = case.prediction.strip(), case.form.labels
    accepted = {text.strip() for text in case.accepted}
    if said in accepted:
        return None
    if said in labels:
        return "wrong content", (Evidence(test="parse", result="The answer is a label of the set."),)
    outside = Evidence(test="parse", result="The answer is no label of the set.")
    found = find_label(said, labels)
    if found in accepted:
        return "wrong form", (outside, Evidence(test="lenient match", result="The right label stands in it."))
    result = f"It holds the label {found!r} instead." if found else "No label stands in it."
    return "malformed", (outside, Evidence(test="lenient match", result=result))


def _syntax(case: Case) -> Found | None:
    """What is wrong with code that a parser refuses, where that parser takes the expected answer."""
    reads = READERS[case.form.format]
    if not reads(replace(case, prediction=case.expected), strict=True) or reads(case, strict=True):
        return None
    if reads(case, strict=False):
        result = f"What stands in its code fence is {case.form.format.upper()}; the answer as a whole is not."
        return "wrong form", (Evidence(test="parse", result=result),)
    return "malformed", (Evidence(test="parse", result=f"The answer is no {case.form.format.upper()}."),)


def _query(case: Case) -> Found | None:
    """A query by what it returns."""
    if verdict(case, strict=True).right:
        return None
    found = verdict(case, strict=False)
    if found.right:
        return "wrong form", (Evidence(test="execution", result="What stands in its code fence returns the rows."),)
    ran = Evidence(test="execution", result=f"The query does not return the expected rows: {found.reason}.")
    return ("wrong content" if READERS["sql"](case, strict=False) else "malformed"), (ran,)


def _text(case: Case) -> Found | None:
    if any(normal(case.prediction) == normal(text) for text in case.accepted):
        return None
    if not case.prediction.strip():
        return "malformed", (Evidence(test="parse", result="The answer is empty."),)
    if marked(case.expected) is not None:
        return _reasoned(case)
    if any(contains(case.prediction, text) for text in case.accepted):
        return "wrong form", (Evidence(test="lenient match", result="The expected words stand in it, among others."),)
    return "wrong content", (Evidence(test="lenient match", result="The expected words do not stand in it."),)


def _reasoned(case: Case) -> Found | None:
    """An answer that reasons first, by what it ends with."""
    if final_answer(case, strict=True):
        return None
    if final_answer(case, strict=False):
        return "wrong form", (Evidence(test="final answer", result="The right answer ends it, without its mark."),)
    return "wrong content", (Evidence(test="final answer", result="It does not end in the expected answer."),)
