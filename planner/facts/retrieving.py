"""Facts about the models that find passages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from planner.documents import Spec
    from planner.survey import Survey

SOURCES = ("spec", "package", "hub")
NO_DOCUMENTS = "the spec names no documents to search"


@fact(cite=("reimers-2019-sentence-bert",), words=SOURCES)
def encoder_source(survey: Survey) -> str | Unknown:
    """Where the embedding model comes from: the spec, an installed Python package, or the hub."""
    return survey.encoder.source if survey.encoder else Unknown(NO_DOCUMENTS)


@fact(cite=("reimers-2019-sentence-bert",))
def encoder_model(survey: Survey) -> str | Unknown:
    """The embedding model as a plan pins it."""
    return survey.encoder.pin if survey.encoder else Unknown(NO_DOCUMENTS)


@fact(cite=("nogueira-2019-reranking",))
def reranker_named(spec: Spec) -> bool:
    """Whether the spec names a model that puts passages into a better order."""
    return any(model.role == "reranker" for model in spec.models)
