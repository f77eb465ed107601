"""Facts about failures: how many, and which share has which cause."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from planner.survey import Survey

LADDER = ("book:finetuning-and-rag",)

# domain knowledge: the symptom table of the escalation ladder; a hallucination counts for both causes.
CAUSES: dict[str, tuple[str, ...]] = {
    "information": ("information",),
    "outdated": ("information",),
    "missing": ("information",),
    "private": ("information",),
    "retrieval miss": ("information",),
    "hallucination": ("information", "behaviour"),
    "behaviour": ("behaviour",),
    "malformed": ("behaviour",),
    "wrong form": ("behaviour",),
    "syntax": ("behaviour",),
    "irrelevant": ("behaviour",),
    "underspecified": ("behaviour",),
    "style": ("behaviour",),
    "tone": ("behaviour",),
    "safety": ("behaviour",),
    "refusal": ("behaviour",),
    "bias": ("behaviour",),
    "capability": ("capability",),
}


def _counts(survey: Survey) -> dict[str, int]:
    """Failures of known cause or symptom; a report names both for one case, and then the cause speaks."""
    failures = survey.failures
    if failures is None:
        return {}
    counts = failures.counts if failures.source == "declared" else failures.by_cause
    known = {name: count for name, count in counts.items() if name in CAUSES and count}
    return known or {name: count for name, count in failures.by_symptom.items() if name in CAUSES and count}


@fact(unit="cases", cite=LADDER)
def failures_seen(survey: Survey) -> int | Unknown:
    """Failing cases whose cause or symptom is known."""
    return sum(_counts(survey).values()) or Unknown("the spec tells no failures")


def _share(survey: Survey, cause: str) -> float | Unknown:
    known = _counts(survey)
    total = sum(known.values())
    if not total:
        return Unknown("the spec tells no failures")
    return sum(count for name, count in known.items() if cause in CAUSES[name]) / total


@fact(unit="fraction", cite=LADDER)
def information_share(survey: Survey) -> float | Unknown:
    """Share of the failures that lack information: facts wrong, missing, private or outdated."""
    return _share(survey, "information")


@fact(unit="fraction", cite=LADDER)
def behaviour_share(survey: Survey) -> float | Unknown:
    """Share of the failures in form, style, relevance or safety, with the facts right."""
    return _share(survey, "behaviour")
