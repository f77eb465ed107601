"""Why an answer fails, as far as its text and the task tell without an experiment; presumptions say that they are."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from executors.json_answers import label_of, leaves
from executors.text_match import contains, normal
from planner.documents import Evidence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from executors.data import Row
    from executors.evaluate.case import Case
    from planner.documents.failures import Cause, Symptom
    from planner.documents.task import TaskKind

Found = tuple["Cause", tuple[Evidence, ...]]

# Their answer is made of what the request says, or of a closed set.
PICKS: frozenset[TaskKind] = frozenset({"classification", "extraction", "semantic-parsing"})
# Their answer says the request again in another way.
REWORDS: frozenset[TaskKind] = frozenset({"rewriting", "translation", "summarization"})
# Their answer may rest on facts that are not in the request.
KNOWING: frozenset[TaskKind] = frozenset({"question-answering", "chat", "generation"})
# An answer that so many training rows give, such as yes, is one of a few to choose from and no fact.
CLOSED = 3
FIGURE = re.compile(r"\d")
# A bare question takes a sentence or two; what is longer brings something to answer from.
BARE_WORDS = 40


def repeated(rows: Iterable[Row]) -> frozenset[str]:
    """The answers that are no facts of their own, in the words of `normal`: many training rows give them."""
    said = Counter(normal(row.completion or "") for row in rows)
    return frozenset(answer for answer, count in said.items() if count >= CLOSED)


def presumed(case: Case, symptom: Symptom, request: str, kind: TaskKind, *, one_of_few: bool = False) -> Found:
    """The cause of a failing case and the evidence for it, by reading alone.

    Args:
        case: the answer beside what was expected.
        symptom: of the case.
        request: everything that the prompt says of the case.
        kind: of the task.
        one_of_few: whether many training rows give the expected answer.
    """
    if symptom != "wrong content":
        return "behaviour", (Evidence(test="form", result="The form fails: information cannot repair it."),)
    if kind in PICKS:
        return _picked(case, request)
    if kind in REWORDS:
        result = f"A task of the kind {kind} says its input again: presumed to need no knowledge of its own."
        return "behaviour", (Evidence(test="task", result=result),)
    if kind == "question-answering" and not any(contains(request, text) for text in case.accepted):
        other = _no_fact(case, request, one_of_few=one_of_few)
        if other:
            return "unknown", (Evidence(test="answer in the input", result=f"{other}: it need not be a missing fact."),)
        result = "The expected answer is not in the input: presumed, not measured with the passage in the prompt."
        return "information", (Evidence(test="answer in the input", result=result),)
    return "unknown", (Evidence(test="task", result=f"For the kind {kind} the text alone does not tell."),)


def _no_fact(case: Case, request: str, *, one_of_few: bool) -> str:
    """Why an expected answer that the request does not hold may follow from it all the same; empty where it cannot."""
    if one_of_few:
        return "Many training rows give the expected answer, one of a few to choose from"
    if FIGURE.search(request) and FIGURE.search(case.expected):
        return "Request and expected answer have figures, of which one may be computed from the others"
    if len(request.split()) > BARE_WORDS:
        return "The request brings a text of its own, of which the expected answer may be put in other words"
    return ""


def _picked(case: Case, request: str) -> Found:
    """Behaviour when everything that the answer missed was at hand: in the request, or in the closed set."""
    if case.form.format == "label":
        return "behaviour", (Evidence(test="closed set", result="The expected label is one of the closed set."),)
    name = case.form.label_name
    if case.form.format != "json":
        missed = [case.expected.strip()]
    else:
        wanted, said = Counter(leaves(case.wanted, leave_out=name)), Counter(leaves(case.strict, leave_out=name))
        missed = [value for _, value in (wanted - said).elements()]
    outside = [value for value in missed if not contains(request, value)]
    evidence = []
    if label_of(case.strict, name) != label_of(case.wanted, name):
        result = f"The expected {name} is one of the closed set of the schema."
        evidence.append(Evidence(test="closed set", result=result))
    if missed:
        result = f"{len(missed) - len(outside)} of {len(missed)} values that the answer missed stand in the request."
        evidence.append(Evidence(test="values in the request", result=result))
    if not evidence:
        result = "Nothing expected is missing: the answer says more than was asked."
        evidence.append(Evidence(test="values in the request", result=result))
    return ("unknown" if outside else "behaviour"), tuple(evidence)
