"""Facts about licences: of the base, of a teacher, of the parts of a merge. They inform; they are no legal advice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from planner.facts.model import teachers_of
from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from planner.documents import Spec
    from planner.survey import ModelSurvey, Survey
    from planner.survey.merge_sources import SourceSurvey

TACTICS = ("book:finetuning-tactics",)
# As SPDX writes it (CC-BY-NC-4.0), and as model cards do (research-only, non-commercial).
NON_COMMERCIAL = re.compile(r"(?<![a-z])nc(?![a-z])|non-?commercial|research", re.IGNORECASE)
# Licences whose derivatives must carry the same licence: CC-BY-SA, GPL, AGPL, LGPL.
SHARE_ALIKE = re.compile(r"(?<![a-z])sa(?![a-z])|(?<![a-z])[al]?gpl", re.IGNORECASE)
# Llama 2 and 3, section 1.b.v: outputs may not improve other language models; 3.1 and later ask for a name instead.
CLOSED_OUTPUTS = re.compile(r"llama[- ]?[23](?!\.\d)|openai|anthropic|(?<![a-z])no[- ]distillation", re.IGNORECASE)
NAMED_OUTPUTS = re.compile(r"llama[- ]?[34]\.?\d?", re.IGNORECASE)


def forbids(spec: Spec, licence: str | None, *, commercial: bool | None = None) -> bool | None:
    """Whether a licence forbids the intended use, by the catalog or else by its own name; None when unknown."""
    if spec.constraints.license_use != "commercial":
        return False
    if commercial is not None:
        return not commercial
    return bool(NON_COMMERCIAL.search(licence)) if licence else None


def model_forbids(spec: Spec, model: ModelSurvey) -> bool | None:
    """Whether a model's licence forbids the intended use; None when unknown."""
    return forbids(spec, model.licence, commercial=model.commercial_use)


@fact(cite=TACTICS)
def licence_forbids(spec: Spec, survey: Survey, base_model: str) -> bool | Unknown:
    """Whether the base model's licence forbids the intended use."""
    found = model_forbids(spec, survey.models[base_model])
    return Unknown(f"the licence of {base_model} is not known") if found is None else found


@fact(cite=TACTICS)
def licence_known(survey: Survey, base_model: str) -> bool:
    """Whether a licence of the base model is known."""
    model = survey.models[base_model]
    return model.licence is not None or model.commercial_use is not None


@fact(cite=TACTICS)
def commercial_use(spec: Spec) -> bool:
    """Whether the result is for commercial use."""
    return spec.constraints.license_use == "commercial"


@fact(cite=("llama-3-licence",))
def teacher_forbids(spec: Spec, survey: Survey, base_model: str) -> bool | Unknown:
    """Whether the teacher's licence forbids to train the base model on its answers, or forbids the intended use."""
    teacher = next(iter(teachers_of(survey)), None)
    if teacher is None:
        return Unknown("the spec names no teacher")
    if teacher.licence is None and teacher.commercial_use is None:
        return Unknown(f"the licence of the teacher {teacher.id} is not known")
    return bool(model_forbids(spec, teacher)) or _closed(teacher, survey.models[base_model])


def _closed(teacher: ModelSurvey, student: ModelSurvey) -> bool:
    """Whether the teacher's answers may not train the student: a student under the same licence is its own kind."""
    licence = teacher.licence or ""
    return bool(CLOSED_OUTPUTS.search(licence)) and (student.licence or "").lower() != licence.lower()


@fact(cite=("llama-3-licence",))
def teacher_wants_name(survey: Survey) -> bool | Unknown:
    """Whether the teacher's licence asks that a model trained on its answers carries its name."""
    teacher = next(iter(teachers_of(survey)), None)
    if teacher is None or teacher.licence is None:
        return Unknown("the licence of a teacher is not known")
    return bool(NAMED_OUTPUTS.search(teacher.licence)) and not CLOSED_OUTPUTS.search(teacher.licence)


def _source_forbids(spec: Spec, source: SourceSurvey) -> bool | None:
    return forbids(spec, source.licence, commercial=source.model.commercial_use if source.model else None)


@fact(cite=TACTICS)
def source_licence_forbids(spec: Spec, survey: Survey) -> bool | Unknown:
    """Whether the licence of a source of the merge, or of its base, forbids the intended use."""
    if not survey.merge_sources:
        return Unknown("no merge is asked for")
    found = [_source_forbids(spec, source) for source in survey.merge_sources]
    found += [model_forbids(spec, source.base_model) for source in survey.merge_sources if source.base_model]
    if any(found):
        return True
    return Unknown("the licences of the merge's sources are not all known") if None in found else False


@fact(unit="models", cite=TACTICS)
def sources_without_licence(survey: Survey) -> int:
    """Sources of the merge of which no licence is known."""
    return sum(source.licence is None for source in survey.merge_sources)


def _licences(survey: Survey) -> set[str]:
    models = [source.base_model for source in survey.merge_sources]
    names = [*(source.licence for source in survey.merge_sources), *(model.licence for model in models if model)]
    return {name.lower() for name in names if name}


@fact(unit="licences", cite=TACTICS)
def merge_licences(survey: Survey) -> int:
    """Different licences, as far as known, among the sources of the merge and their bases."""
    return len(_licences(survey))


@fact(cite=TACTICS)
def merge_share_alike(survey: Survey) -> bool:
    """Whether a source of the merge must pass on its own licence."""
    return any(SHARE_ALIKE.search(name) for name in _licences(survey))
