"""Models that may stand in for the base: the spec's candidates, else smaller ones of the same family in the catalog."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from planner.facts.model import parameters_of

if TYPE_CHECKING:
    from planner.ladder.draft import Draft


# Models of one family that were published further apart were made of other data, in another way.
NEAR_MONTHS = 9


class Candidate(NamedTuple):
    """A model of a path."""

    id: str
    parameters: int | None
    named: bool = False
    """Whether the spec names it as the teacher."""


def candidates(draft: Draft) -> tuple[Candidate, ...]:
    """Models up to the base in size, the smallest first; the base alone when neither spec nor catalog knows others."""
    base = str(draft.answer("base_model"))
    size = parameters_of(draft.survey.models[base])
    found = {base: Candidate(base, size)}
    for reference in draft.spec.models:
        model = draft.survey.models.get(reference.id)
        parameters = parameters_of(model) if model and reference.role in ("candidate", "student") else None
        if parameters and (size is None or parameters < size):
            found.setdefault(reference.id, Candidate(reference.id, parameters))
    if len(found) == 1:
        entry = draft.survey.models[base].catalog_id
        found |= {each.id: each for each in (_smaller(entry) if entry else ())}
    return tuple(sorted(found.values(), key=lambda each: (each.parameters or 0, each.id == base, each.id)))


@lru_cache(maxsize=256)
def _smaller(catalog_id: str) -> tuple[Candidate, ...]:
    """Smaller models of the same family, task and tuning, of the same series where there are any."""
    from planner.catalog import all_models, find_model

    own = find_model(catalog_id)
    alike = [
        each
        for each in all_models()
        if (each.family, each.task, each.tuned) == (own.family, own.task, own.tuned)
        and each.params < own.params
        and (each.commercial_use or not own.commercial_use)
        and _months(each.released) >= _months(own.released) - NEAR_MONTHS
    ]
    near = [each for each in alike if _series(each.id) == _series(own.id)] or alike
    return tuple(Candidate(each.id, each.params) for each in near)


def _months(released: str) -> int:
    year, month = released.split("-")
    return 12 * int(year) + int(month)


def _series(name: str) -> str:
    """The name up to its first size: `qwen2.5-` of `Qwen/Qwen2.5-7B-Instruct`."""
    import re

    return re.split(r"\d+(?:\.\d+)?[mb]\b", name.rpartition("/")[2].lower())[0]
