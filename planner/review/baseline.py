"""A baseline: findings that are known and put off, so that only new ones count.

A fingerprint is made of file, code, JSON pointer and value, not of the line: lines may move. A changed value is a new
finding. Paths are relative to the folder of the baseline file.
"""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from planner.documents import (
    Finding,
    Findings,
    InputError,
    JsonValue,
    ReadAhead,
    Suppressed,
    Where,
    digest,
    validate,
)
from planner.review.suppression import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable

GONE = "BAS001"


class Known(ReadAhead):
    """A finding that is known."""

    fingerprint: str
    file: str
    """Path from the folder of the baseline, with forward slashes."""
    code: str
    pointer: str | None = None
    value: JsonValue = None
    """The value that was judged."""
    reason: str = ""
    """Why it is put off; for people, kept when the baseline is written anew."""


class Baseline(ReadAhead):
    """The findings that are known, sorted by file, code and pointer."""

    format: Literal["adapt.baseline/1"] = "adapt.baseline/1"
    known: tuple[Known, ...] = ()


def fingerprints(findings: Iterable[Finding], values: dict[tuple[str, str], JsonValue], folder: Path) -> list[Known]:
    """Every finding as a baseline names it, in the same order.

    Two findings that agree in everything are told apart by their number.

    Args:
        findings: what the rules found.
        values: judged values by file and pointer, from `values_of`.
        folder: what the paths are relative to.
    """
    seen: Counter[str] = Counter()
    found = []
    for finding in findings:
        where = finding.where
        file = relative(where.file or "", folder)
        value = values.get((where.file or "", where.pointer or ""))
        key = digest([file, finding.code, where.pointer, value])
        seen[key] += 1
        mark = key if seen[key] == 1 else digest([key, seen[key]])
        found.append(Known(fingerprint=mark, file=file, code=finding.code, pointer=where.pointer, value=value))
    return found


def values_of(findings: Findings) -> dict[tuple[str, str], JsonValue]:
    """The value at every place of the reviewed files: (file, pointer) to value."""
    return {
        (file.file, setting.where.pointer): setting.value
        for file in findings.files
        for setting in file.settings.values()
        if setting.where.pointer is not None
    }


def relative(file: str, folder: Path) -> str:
    """A path from a folder, with forward slashes; the same for every way to write the path."""
    return Path(os.path.relpath(file, folder)).as_posix() if file else ""


def read_baseline(path: Path) -> Baseline:
    """Read a baseline.

    Raises:
        InputError: it cannot be read, or is no baseline.
    """
    from planner.survey.plain_text import read_json

    data = read_json(path, str(path), code="BAS")
    if not isinstance(data, dict) or data.get("format") != "adapt.baseline/1":
        found = data.get("format") if isinstance(data, dict) else None
        message = f"`{path}` is not a baseline: its `format` is {found!r}, not 'adapt.baseline/1'."
        raise InputError.one("BAS016", message, "Write one with `--write-baseline`.", file=str(path))
    return validate(Baseline, data, code="BAS", file=str(path))


def apply_baseline(findings: Findings, baseline: Baseline, path: Path) -> Findings:
    """The findings with the known ones set aside, and a note for each that is known and gone.

    Nothing is said of known findings in files that were not reviewed, as long as these exist.

    Args:
        findings: what the rules found.
        baseline: what is known.
        path: the baseline's file.
    """
    known = {item.fingerprint: item for item in baseline.known}
    marks = fingerprints(findings.findings, values_of(findings), path.parent)
    kept, aside = [], list(findings.suppressed)
    for finding, mark in zip(findings.findings, marks, strict=True):
        entry = known.pop(mark.fingerprint, None)
        if entry is None:
            kept.append(finding)
        else:
            aside.append(Suppressed(finding=finding, by="baseline", reason=entry.reason))
    read = {relative(file.file, path.parent) for file in findings.files}
    gone = [item for item in known.values() if item.file in read or not (path.parent / item.file).exists()]
    return findings.model_copy(
        update={
            "findings": tuple(sorted((*kept, *(_gone(item, path) for item in gone)), key=in_order)),
            "suppressed": tuple(sorted(aside, key=lambda each: in_order(each.finding))),
        }
    )


def new_baseline(findings: Findings, path: Path, before: Baseline | None = None) -> Baseline:
    """The baseline that knows everything found, whether an older baseline knows it or not.

    Args:
        findings: the result of a review, after comments and baseline.
        path: where the baseline will be written.
        before: the baseline that stands there now; its reasons, and what it knows of other files, are kept.
    """
    read = {file.file for file in findings.files}
    aside = (each.finding for each in findings.suppressed if each.by == "baseline")
    every = sorted((*findings.findings, *aside), key=in_order)
    counted = [finding for finding in every if finding.where.file in read]
    marks = fingerprints(counted, values_of(findings), path.parent)
    old = {item.fingerprint: item for item in before.known} if before else {}
    reviewed = {relative(file, path.parent) for file in read}
    others = [item for item in old.values() if item.file not in reviewed and (path.parent / item.file).exists()]
    reasons = {mark: item.reason for mark, item in old.items()}
    fresh = [item.model_copy(update={"reason": reasons.get(item.fingerprint, "")}) for item in marks]
    order = sorted((*others, *fresh), key=lambda item: (item.file, item.code, item.pointer or "", item.fingerprint))
    return Baseline(known=tuple(order))


def _gone(item: Known, path: Path) -> Finding:
    place = f"{item.file} {item.pointer or ''}".rstrip()
    return Finding(
        code=GONE,
        severity="note",
        message=f"The baseline knows {item.code} at {place}, which is no longer found.",
        fix="Write the baseline anew with `--write-baseline`.",
        where=Where(file=str(path)),
    )
