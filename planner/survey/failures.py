"""Counts failures by cause and symptom: given as counts, as a failure report, or as cases in JSON Lines."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

from planner.documents import FailureReport, Finding, InputError, near, validate
from planner.documents.failures import Cause
from planner.survey.jsonl import JsonLines
from planner.survey.plain_text import read_json
from planner.survey.problems import pointer_to, problem
from planner.survey.symptoms import SYMPTOMS, all_spellings, symptom_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

CAUSES: tuple[str, ...] = get_args(Cause)


@dataclass(frozen=True, slots=True)
class Failures:
    """Failing cases, counted. A case counts once by cause and once by symptom, as far as each is known."""

    source: Literal["declared", "report", "cases"]
    path: str | None = None
    by_cause: Mapping[str, int] = field(default_factory=dict)
    by_symptom: Mapping[str, int] = field(default_factory=dict)
    failed: int | None = None
    """Failing cases that the counts speak of; None when counts by cause and by symptom may be of the same ones."""
    cases_seen: int | None = None
    """Cases that were tried, when known."""

    @property
    def counts(self) -> dict[str, int]:
        """All counts under one roof, sorted by name."""
        return dict(sorted({**self.by_symptom, **self.by_cause}.items()))


def survey_failures(failures: str | Mapping[str, int] | None, folder: Path) -> tuple[Failures | None, list[Finding]]:
    """The counts of a spec's failures, and what is wrong with them.

    A file that does not exist is left to the check of the spec's paths.
    """
    if failures is None:
        return None, []
    if isinstance(failures, str):
        path = folder / failures
        if not path.exists():
            return None, []
        try:
            return _report(path, failures) if path.suffix.lower() == ".json" else _cases(path, failures)
        except InputError as error:
            return None, list(error.findings)
    return _declared(failures)


def _declared(counts: Mapping[str, int]) -> tuple[Failures, list[Finding]]:
    by_cause: Counter[str] = Counter()
    by_symptom: Counter[str] = Counter()
    found: list[Finding] = []
    for word, number in sorted(counts.items()):
        symptom = symptom_of(word)
        name = symptom.name if symptom else word
        (by_cause if name in CAUSES else by_symptom)[name] += number
        if symptom is None:
            fix = near(word, all_spellings()) or f"Known: {', '.join(sorted({*CAUSES, *SYMPTOMS}))}."
            message = f"`{word}` is neither a cause nor a symptom that is known here, so it does not count."
            pointer = pointer_to("failures", word)
            found.append(problem("FAIL001", message, fix, pointer=pointer, severity="warning"))
    failed = None if by_cause and by_symptom else sum(counts.values())
    return Failures("declared", None, dict(sorted(by_cause.items())), dict(sorted(by_symptom.items())), failed), found


def _report(path: Path, name: str) -> tuple[Failures, list[Finding]]:
    data = read_json(path, name, code="FAIL", pointer="/failures")
    report = validate(FailureReport, data, code="FAIL", file=name)
    by_cause, by_symptom = (dict(sorted(each.items())) for each in (report.by_cause, report.by_symptom))
    # The counts speak of the cases that were looked into, which may be a sample.
    counted = report.failed if report.diagnosed is None else report.diagnosed
    return Failures("report", name, by_cause, by_symptom, counted, report.cases_seen), []


def _cases(path: Path, name: str) -> tuple[Failures | None, list[Finding]]:
    lines = JsonLines(path, name)
    by_cause: Counter[str] = Counter()
    by_symptom: Counter[str] = Counter()
    failed = 0
    for number, row in lines.rows():
        failed += 1
        for counter, field_name in ((by_cause, "cause"), (by_symptom, "symptom")):
            value: Any = row.get(field_name)
            if value is None:
                continue
            symptom = symptom_of(value) if isinstance(value, str) else None
            name = symptom.name if symptom else value
            if not isinstance(value, str) or (field_name == "cause" and name not in CAUSES):
                words = CAUSES if field_name == "cause" else tuple(SYMPTOMS)
                fix = near(str(value), words) or f"Allowed: {', '.join(words)}."
                lines.report("FAIL002", f"The `{field_name}` is {value!r}.", fix, number)
                continue
            counter[name] += 1
    found = lines.finish()
    if found:
        return None, found
    # A case whose cause nobody named is a failure all the same.
    unknown = failed - sum(by_cause.values())
    if unknown:
        by_cause["unknown"] += unknown
    return Failures("cases", name, dict(sorted(by_cause.items())), dict(sorted(by_symptom.items())), failed), []
