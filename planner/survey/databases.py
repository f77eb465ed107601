"""Surveys the databases that predicted queries are run against: an SQLite file, or a folder of them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Literal

from planner.documents import Finding, InputError, Spec, fingerprint
from planner.documents.tables import ENDINGS, tables_told
from planner.survey.data_survey import DataSurvey, Lengths
from planner.survey.problems import problem
from planner.survey.tokens import estimate

if TYPE_CHECKING:
    from pathlib import Path

POINTER = "/evaluation/database"
METRIC = "execution_accuracy"
MAGIC = b"SQLite format 3\x00"


def look_at_databases(
    spec: Spec, folder: Path, *, file: str | None = None
) -> tuple[dict[str, DataSurvey], list[Finding]]:
    """The databases by the role `database`, and what is wrong with them; that a path leads nowhere is told elsewhere.

    Args:
        spec: a valid spec.
        folder: where its relative paths start.
        file: the spec's file as the user wrote it, for the messages.
    """
    name = spec.evaluation.database
    if name is None:
        if METRIC not in {*spec.evaluation.metrics, *spec.evaluation.target}:
            return {}, []
        fix = f"Name an SQLite file, or a folder of them, as {POINTER}."
        message = f"`{METRIC}` runs queries, and no database is named."
        return {}, [problem("SPEC045", message, fix, file=file, pointer="/evaluation", severity="warning")]
    path = folder / name
    files = [path] if path.is_file() else sorted(item for item in path.rglob("*") if item.suffix.lower() in ENDINGS)
    if not path.exists():
        return {}, []
    if not files:
        fix = f"Put files into it that end in {', '.join(sorted(ENDINGS))}."
        return {}, [problem("SPEC046", f"The folder `{name}` holds no database.", fix, file=file, pointer=POINTER)]
    wrong = next((item for item in files if not _is_database(item)), None)
    if wrong is not None:
        shown = name if wrong == path else f"{name}/{wrong.relative_to(path).as_posix()}"
        message = f"`{shown}` is no SQLite database."
        return {}, [problem("SPEC046", message, "Export the data to SQLite.", file=file, pointer=POINTER)]
    content, size = fingerprint(path)
    kind: Literal["file", "folder"] = "file" if path.is_file() else "folder"
    survey = DataSurvey("database", kind, name, content, size, len(files), tokens=_lengths(path))
    return {"database": survey}, []


def _lengths(path: Path) -> Lengths | None:
    """How long the definitions of the tables of a database are; None where it has none, or cannot be read."""
    try:
        counted = sorted(estimate([*tables_told(path, sys.maxsize).values()]))
    except InputError:
        return None
    return Lengths(sum(counted) / len(counted), counted[len(counted) // 2], counted[-1], counted[-1])


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(MAGIC)) == MAGIC
    except OSError:
        return False
