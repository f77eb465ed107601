"""The failure report and its metrics, from the failing cases as they were decided."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from executors.diagnose.cures import cures
from executors.diagnose.experiments import EXPERIMENTS, LENIENT
from executors.diagnose.verdict import decide
from executors.intervals import proportion
from planner.documents import Experiment, FailingCase, FailureReport, Measurement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executors.diagnose.subject import Subject
    from planner.documents.task import TaskKind

CAUSES = ("behaviour", "information", "retrieval miss", "capability", "unknown")
SYMPTOMS = ("malformed", "wrong form", "wrong content")
LENIENT_QUESTION = "Is the content right when the answer is read leniently?"


def make_report(
    source: str, subjects: Sequence[Subject], kind: TaskKind, *, seen: int, failed: int, notes: Sequence[str] = ()
) -> FailureReport:
    """The report on some failing cases.

    Args:
        source: what was looked at.
        subjects: failing cases after all experiments.
        kind: of the task.
        seen: cases that were answered.
        failed: cases that failed, those that were not looked into among them.
        notes: what could not be tested.
    """
    cases = tuple(_case(subject, kind) for subject in subjects)
    by_cause, by_symptom = (Counter(getattr(case, field) for case in cases) for field in ("cause", "symptom"))
    return FailureReport(
        source=source,
        cases_seen=seen,
        failed=failed,
        diagnosed=len(cases),
        by_cause=dict(sorted(by_cause.items())),
        by_symptom=dict(sorted(by_symptom.items())),
        cause_shares={name: proportion(count, len(cases)) for name, count in sorted(by_cause.items())},
        symptom_shares={name: proportion(count, len(cases)) for name, count in sorted(by_symptom.items())},
        experiments=_experiments(subjects),
        cures=cures(cases),
        cases=cases,
        notes=tuple(notes),
    )


def _case(subject: Subject, kind: TaskKind) -> FailingCase:
    verdict = decide(subject, kind)
    return FailingCase(
        id=subject.row.id,
        symptom=subject.symptom,
        cause=verdict.cause,
        evidence=verdict.evidence,
        expected=subject.case.expected,
        prediction=subject.case.prediction,
        decided_by=verdict.decided_by,
        measured=verdict.measured,
    )


def _experiments(subjects: Sequence[Subject]) -> tuple[Experiment, ...]:
    """What each experiment repaired of what it was made on."""
    if not subjects:
        return ()
    lenient = sum(subject.first.right for subject in subjects)
    found = [
        Experiment(
            name=LENIENT, question=LENIENT_QUESTION, asked=len(subjects), repaired=proportion(lenient, len(subjects))
        )
    ]
    for experiment in EXPERIMENTS:
        asked = [subject for subject in subjects if experiment.name in subject.trials]
        if asked:
            hits = sum(subject.right(experiment.name) for subject in asked)
            gained = sum(subject.gain(experiment.name) for subject in asked) / len(asked)
            found.append(
                Experiment(
                    name=experiment.name,
                    question=experiment.question,
                    asked=len(asked),
                    repaired=proportion(hits, len(asked)),
                    gained=round(gained, 4),
                )
            )
    return tuple(found)


def metrics(report: FailureReport) -> dict[str, Measurement]:
    """Shares of the diagnosed cases, each with its interval; how many fail; what each experiment repaired.

    A retrieval miss lacks information as well: it counts in both shares.
    """
    n = len(report.cases)
    counts = Counter(report.by_cause)
    counts["information"] += counts["retrieval miss"]
    found = {f"{_word(name)}_share": proportion(counts[name], n) for name in CAUSES}
    found |= {f"{_word(name)}_share": proportion(report.by_symptom.get(name, 0), n) for name in SYMPTOMS}
    found |= {f"repaired_by_{_word(each.name)}": each.repaired for each in report.experiments}
    found["measured_share"] = proportion(sum(case.measured for case in report.cases), n)
    found["failed"] = Measurement(value=float(report.failed), n=report.cases_seen)
    return found


def _word(name: str) -> str:
    return name.replace(" ", "_")
