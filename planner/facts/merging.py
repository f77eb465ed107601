"""Facts about a merge that the spec asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from planner.documents import Spec

MERGING = ("book:model-merging",)


@fact(cite=MERGING)
def merge_requested(spec: Spec) -> bool:
    """Whether the spec asks to merge models."""
    return spec.merge is not None


@fact(cite=MERGING)
def merge_intent(spec: Spec) -> str | Unknown:
    """What the merge is for."""
    return spec.merge.intent if spec.merge else Unknown("no merge is asked for")


@fact(cite=MERGING)
def merge_method(spec: Spec) -> str | Unknown:
    """The merge method that the spec names."""
    return spec.merge.method if spec.merge and spec.merge.method else Unknown("the spec names no merge method")


@fact(unit="models", cite=MERGING)
def merge_sources(spec: Spec) -> int:
    """Models that take part in the merge."""
    return len(spec.merge.sources) if spec.merge else 0


@fact(unit="models", cite=MERGING)
def merge_bases(spec: Spec) -> int | Unknown:
    """Different base models among the sources of the merge."""
    if spec.merge is None or any(source.base is None for source in spec.merge.sources):
        return Unknown("the bases of the merge's sources are not all named")
    return len({source.base for source in spec.merge.sources})
