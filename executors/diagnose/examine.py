"""From answers to failing cases under examination: which fail, which are looked into, and the experiments on them."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executors.diagnose.causes import KNOWING
from executors.diagnose.experiments import run
from executors.diagnose.lookup import look_up
from executors.diagnose.report import make_report
from executors.diagnose.subject import Subject
from executors.diagnose.symptoms import symptom
from executors.evaluate.case import Case
from executors.text_match import normal
from planner.documents import Evidence

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from executors.data import Row
    from executors.diagnose.experiments import Answerer
    from executors.evaluate.case import AnswerForm
    from executors.retrieve.index import Index
    from planner.documents import FailureReport
    from planner.documents.task import TaskKind


@dataclass(frozen=True)
class Answered:
    """A question with the answer that it got."""

    row: Row
    prediction: str
    given: tuple[str, ...] = ()
    """Documents whose passages were in the prompt."""
    passed: bool | None = None
    """What the tool that made the answer says of it; None when nobody says."""
    database: Path | None = None
    """The SQLite file that a query is run against."""


@dataclass(frozen=True)
class Means:
    """What experiments can be made with."""

    kind: TaskKind
    index: Index | None = None
    passages: int | None = None
    answer: Answerer | None = None
    offered: Collection[str] = ()
    repeated: Collection[str] = ()
    """Answers that many training rows give; see `causes.repeated`."""


def examine(
    source: str, answered: Sequence[Answered], form: AnswerForm, means: Means, *, limit: int | None, seed: int
) -> FailureReport:
    """Find the failing cases, make the experiments on a sample of them, and report.

    Args:
        source: what is looked at, for the report.
        answered: questions with their answers; each row has an expected answer.
        form: of the answers.
        means: what experiments can be made with.
        limit: failing cases to make experiments on; None for all. Reading alone looks into all of them.
        seed: of the sample.
    """
    failing = [subject for each in answered if (subject := _failing(each, form)) is not None]
    for subject in failing:
        subject.one_of_few = any(normal(text) in means.repeated for text in subject.case.accepted)
    subjects = _sample(failing, limit, seed) if means.answer is not None else failing
    if means.index is not None:
        wanting = [subject for subject in subjects if _wants_passages(subject, means.kind)]
        looked = look_up(means.index, [subject.row for subject in wanting], means.passages)
        for subject, lookup in zip(wanting, looked, strict=True):
            subject.lookup = lookup
    if means.answer is not None:
        run(subjects, means.answer, means.offered)
    notes = _notes(subjects, failing, means)
    return make_report(source, subjects, means.kind, seen=len(answered), failed=len(failing), notes=notes)


def _failing(each: Answered, form: AnswerForm) -> Subject | None:
    case = Case(form, each.prediction, each.row.completion or "", each.row.others, each.database)
    seen = symptom(case)
    if each.passed or (seen is None and each.passed is None):
        return None
    if seen is None:
        result = "The tool that scored it failed it; its content is the expected one."
        return Subject(each.row, case, "wrong form", (Evidence(test="the tool's score", result=result),), each.given)
    return Subject(each.row, case, seen[0], seen[1], each.given)


def _sample(failing: list[Subject], limit: int | None, seed: int) -> list[Subject]:
    if limit is None or limit >= len(failing):
        return failing
    drawn = sorted(random.Random(seed).sample(range(len(failing)), limit))  # noqa: S311 - not a secret
    return [failing[at] for at in drawn]


def _wants_passages(subject: Subject, kind: TaskKind) -> bool:
    """Documents can hold what the answer lacks: the data say so, or the kind of task rests on knowledge."""
    return bool(subject.row.gold) or (kind in KNOWING and subject.case.form.format in ("text", "json"))


def _notes(subjects: list[Subject], failing: list[Subject], means: Means) -> list[str]:
    notes = []
    if len(subjects) < len(failing):
        notes.append(f"{len(subjects)} of {len(failing)} failing cases were drawn by the seed; the counts are theirs.")
    if means.answer is None:
        notes.append("No model was given: what no search of the documents tells is presumed from the text.")
    if means.index is None and means.kind in KNOWING:
        notes.append("No documents were given: whether information is missing was not measured.")
    return notes
