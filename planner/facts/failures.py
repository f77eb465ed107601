"""Facts about failures: how many, and which share has which cause or symptom."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact
from planner.survey.symptoms import SYMPTOMS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.survey import Survey
    from planner.survey.failures import Failures

LADDER = ("book:finetuning-and-rag",)
UNTOLD = "the spec tells no failures"
# The causes of each symptom; a hallucination counts for two.
CAUSES: dict[str, tuple[str, ...]] = {
    name: symptom.causes for name, symptom in SYMPTOMS.items() if symptom.group != "unknown"
}


def _told(failures: Failures) -> dict[str, int]:
    """Every failing case once: by cause where a report names both, else by whatever name it was counted under."""
    if failures.source == "declared":
        return failures.counts
    told = {name: count for name, count in failures.by_cause.items() if name in CAUSES}
    return dict(failures.by_cause) if any(told.values()) else dict(failures.by_symptom)


def _known(survey: Survey) -> dict[str, int]:
    """Failures of known cause or symptom."""
    told = _told(survey.failures) if survey.failures else {}
    return {name: count for name, count in told.items() if name in CAUSES and count}


@fact(unit="cases", cite=LADDER)
def failures_seen(survey: Survey) -> int | Unknown:
    """Failing cases whose cause or symptom is known."""
    return sum(_known(survey).values()) or Unknown(UNTOLD)


@fact(unit="fraction", cite=LADDER)
def diagnosed_share(survey: Survey) -> float | Unknown:
    """Share of the failing cases whose cause or symptom is known."""
    total = sum(_told(survey.failures).values()) if survey.failures else 0
    return sum(_known(survey).values()) / total if total else Unknown(UNTOLD)


@fact(cite=LADDER)
def failures_known(diagnosed_share: float | Unknown, thresholds: Mapping[str, float]) -> bool:
    """Whether enough failing cases have a cause or symptom for their shares to mean something."""
    return not isinstance(diagnosed_share, Unknown) and diagnosed_share >= thresholds["diagnosed_share"]


def _share(survey: Survey, diagnosed_share: float, thresholds: Mapping[str, float], cause: str) -> float | Unknown:
    counts = _known(survey)
    if not counts:
        return Unknown(UNTOLD)
    if diagnosed_share < thresholds["diagnosed_share"]:
        return Unknown("the cause of most failing cases is not known")
    return sum(count for name, count in counts.items() if cause in CAUSES[name]) / sum(counts.values())


def _group(survey: Survey, *groups: str) -> float | Unknown:
    """Share of the failing cases that show a symptom of some groups, by the symptoms that are told."""
    failures = survey.failures
    if failures is None:
        return Unknown(UNTOLD)
    counts = failures.counts if failures.source == "declared" else failures.by_symptom or failures.by_cause
    counts = {name: count for name, count in counts.items() if name in SYMPTOMS and count}
    if failures.source != "declared":
        counts |= {name: count for name, count in failures.by_cause.items() if name in ("capability", "retrieval miss")}
    total = sum(counts.values()) if failures.source == "declared" else failures.failed or 0
    if not total:
        return Unknown(UNTOLD)
    return sum(count for name, count in counts.items() if SYMPTOMS[name].group in groups) / total


@fact(unit="fraction", cite=LADDER)
def information_share(survey: Survey, diagnosed_share: float, thresholds: Mapping[str, float]) -> float | Unknown:
    """Share of the failures that lack information: facts wrong, missing, private or outdated."""
    return _share(survey, diagnosed_share, thresholds, "information")


@fact(unit="fraction", cite=LADDER)
def behaviour_share(survey: Survey, diagnosed_share: float, thresholds: Mapping[str, float]) -> float | Unknown:
    """Share of the failures in form, style, relevance or safety, with the facts right."""
    return _share(survey, diagnosed_share, thresholds, "behaviour")


@fact(unit="fraction", cite=LADDER)
def capability_share(survey: Survey, diagnosed_share: float, thresholds: Mapping[str, float]) -> float | Unknown:
    """Share of the failures that the model is too weak for, whatever it is told or shown."""
    return _share(survey, diagnosed_share, thresholds, "capability")


@fact(unit="fraction", cite=LADDER)
def context_share(survey: Survey, diagnosed_share: float, thresholds: Mapping[str, float]) -> float | Unknown:
    """Share of the failures whose input was longer than the model reads."""
    return _share(survey, diagnosed_share, thresholds, "context")


@fact(unit="fraction", cite=LADDER)
def cost_share(survey: Survey, diagnosed_share: float, thresholds: Mapping[str, float]) -> float | Unknown:
    """Share of the failures that are right answers, too dear or too slow."""
    return _share(survey, diagnosed_share, thresholds, "cost")


@fact(unit="fraction", cite=LADDER)
def syntax_share(survey: Survey) -> float | Unknown:
    """Share of the failures whose answer does not parse or has the wrong form."""
    return _group(survey, "syntax")


@fact(unit="fraction", cite=LADDER)
def hallucination_share(survey: Survey) -> float | Unknown:
    """Share of the failures that are made up."""
    return _group(survey, "hallucination")


@fact(unit="fraction", cite=LADDER)
def retrieval_miss_share(survey: Survey) -> float | Unknown:
    """Share of the failures where search did not find the passage."""
    return _group(survey, "retrieval")


@fact(unit="fraction", cite=LADDER)
def latency_share(survey: Survey) -> float | Unknown:
    """Share of the failures that are answers too late."""
    return _group(survey, "latency")


@fact(unit="fraction", cite=LADDER)
def bias_share(survey: Survey) -> float | Unknown:
    """Share of the failures that treat groups of people differently."""
    return _group(survey, "bias")


@fact(unit="fraction", cite=LADDER)
def safety_share(survey: Survey) -> float | Unknown:
    """Share of the failures that are unsafe answers, or refusals of safe requests."""
    return _group(survey, "safety")


@fact(unit="fraction", cite=LADDER)
def dialect_share(survey: Survey) -> float | Unknown:
    """Share of the failures on inputs in a customer's words, a dialect or another language."""
    return _group(survey, "dialect")
