"""Surveys the sources of a merge: whole models or adapters, their bases, as far as anything is known of them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from planner.documents import Finding, InputError, ModelReference
from planner.survey.model_files import look_at_model
from planner.survey.plain_text import read_json
from planner.survey.problems import pointer_to, problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planner.documents import MergeSource, Spec
    from planner.survey.model_survey import ModelSurvey

ADAPTER_CONFIG = "adapter_config.json"
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class SourceSurvey:
    """One source of a merge. None is unknown."""

    id: str
    base: str | None = None
    """Id of the model that it was finetuned from: the spec's word, or else the adapter's own."""
    own_base: str | None = None
    """The base that an adapter's files name."""
    base_digest: str | None = None
    """Digest of the folder that an adapter was trained on, by its own card."""
    kind: Literal["model", "adapter"] | None = None
    rank: int | None = None
    """Rank of an adapter."""
    licence: str | None = None
    pin: str | None = None
    model: ModelSurvey | None = None
    """The source itself, when it is a model of the spec, the catalog or this machine."""
    base_model: ModelSurvey | None = None

    @property
    def shape(self) -> ModelSurvey | None:
        """The model that tells the source's shape: itself, or else its base."""
        return self.model or self.base_model


def look_at_sources(
    spec: Spec, folder: Path, models: Mapping[str, ModelSurvey]
) -> tuple[tuple[SourceSurvey, ...], list[Finding]]:
    """Every source of the spec's merge, in its order, and what is wrong with paths that it gives."""
    found: list[SourceSurvey] = []
    findings: list[Finding] = []
    for index, source in enumerate(spec.merge.sources if spec.merge else ()):
        pointer = pointer_to("merge", "sources", index, "path")
        try:
            survey = _source(source, folder, models)
            found.append(survey)
            findings += [*_other_base(survey, pointer), *_other_content(survey, pointer)]
        except InputError as error:
            findings += [
                item.model_copy(update={"where": item.where.model_copy(update={"pointer": pointer})})
                for item in error.findings
            ]
    return tuple(found), findings


def _other_base(source: SourceSurvey, pointer: str) -> list[Finding]:
    """A warning when an adapter names another base than the spec does."""
    if source.own_base is None or source.base is None or _last(source.own_base) == _last(source.base):
        return []
    message = f"The adapter {source.id} was trained on {source.own_base}; the spec says {source.base}."
    fix = "An adapter on another base is noise: correct `base`, or take the adapter that belongs to it."
    return [problem("MODEL040", message, fix, pointer=pointer, severity="warning")]


def _other_content(source: SourceSurvey, pointer: str) -> list[Finding]:
    """A warning when an adapter's card names another content than the base at hand has."""
    own, there = source.base_digest, source.base_model.fingerprint if source.base_model else None
    if own is None or there is None or own == there:
        return []
    message = (
        f"The adapter {source.id} was trained on a base with the digest {own[:19]}, and {source.base} has {there[:19]}."
    )
    fix = "Take the folder that it was trained on. Beside equal weights, other files in the folder make no difference."
    return [problem("MODEL041", message, fix, pointer=pointer, severity="warning")]


def _last(name: str) -> str:
    """The last part of an id or path: a local copy of a base keeps it."""
    return name.rstrip("/").rpartition("/")[2].lower()


def _source(source: MergeSource, folder: Path, models: Mapping[str, ModelSurvey]) -> SourceSurvey:
    adapter = folder / (source.path or source.id) / ADAPTER_CONFIG
    if source.path is not None and adapter.is_file():
        return _adapter(source, f"{source.path}/{ADAPTER_CONFIG}", adapter, models, folder)
    model = models.get(source.id) if source.path is None else None
    if model is None:
        model, problems = look_at_model(ModelReference(id=source.id, path=source.path), folder)
        if model is None and source.path is not None:
            raise InputError(problems)
    licence = source.license or (model.licence if model else None)
    kind = source.kind or ("model" if model else None)
    return SourceSurvey(
        id=source.id,
        base=source.base,
        kind=kind,
        rank=source.rank,
        licence=licence,
        pin=model.pin if model else None,
        model=model,
        base_model=_known(source.base, models, folder),
    )


def _adapter(
    source: MergeSource, name: str, path: Path, models: Mapping[str, ModelSurvey], folder: Path
) -> SourceSurvey:
    config = read_json(path, name, code="MODEL", pointer=None)
    values = config if isinstance(config, dict) else {}
    rank = values.get("r")
    own = values.get("base_model_name_or_path")
    own = own if isinstance(own, str) and own else None
    base = source.base or own
    return SourceSurvey(
        id=source.id,
        base=base,
        own_base=own,
        base_digest=_digest(path.with_name(CARD)),
        kind="adapter",
        rank=rank if isinstance(rank, int) and rank > 0 else source.rank,
        licence=source.license,
        pin=source.path,
        base_model=_known(base, models, folder),
    )


def _digest(card: Path) -> str | None:
    """The digest of the base that a training here wrote into the card of what it left."""
    if not card.is_file():
        return None
    found = re.search(
        r"^Base: a model with the digest `(sha256:[0-9a-f]{64})`", card.read_text("utf-8", "replace"), re.M
    )
    return found[1] if found else None


def _known(base: str | None, models: Mapping[str, ModelSurvey], folder: Path) -> ModelSurvey | None:
    """The base, when it is a model of the spec or can be found by its id."""
    if base is None:
        return None
    return models.get(base) or look_at_model(ModelReference(id=base), folder)[0]
