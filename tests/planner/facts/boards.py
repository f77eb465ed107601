"""Facts of small specs that name no files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.documents import Spec, validate
from planner.facts import Board
from planner.rules import compile_books, core_book
from planner.survey import normalise, survey
from planner.survey.data_survey import DataSurvey, Lengths
from tests.planner.specs import spec

if TYPE_CHECKING:
    from planner.survey.survey import Survey

THRESHOLDS = compile_books((core_book(),)).thresholds


def board(**changes: Any) -> Board:
    """The board of the declared spec with some fields replaced, before any decision is answered."""
    from pathlib import Path

    document, _ = normalise(validate(Spec, spec(**changes), code="SPEC"), Path())
    return Board({"spec": document, "survey": survey(document, Path()), "thresholds": THRESHOLDS})


def with_answers(found: Board, **answers: Any) -> Board:
    """The board after some decisions were answered."""
    for name, value in answers.items():
        found.answer(name, value)
    return found


def surveyed(**data: DataSurvey) -> Survey:
    """A survey with data as if it had been read from files."""
    from dataclasses import replace

    found: Survey = board().get("survey")
    return replace(found, data=data)


def lengths(mean: float, longest: int) -> Lengths:
    return Lengths(mean=mean, p50=int(mean), p95=longest, max=longest)
