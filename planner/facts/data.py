"""Facts about the data: how much there is, how long, how clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from planner.documents import Spec
    from planner.survey import DataSurvey, Survey


def _data(survey: Survey, name: str) -> DataSurvey | Unknown:
    return survey.data.get(name) or Unknown(f"the spec gives no {name} data")


@fact(unit="rows", cite=("book:finetuning-tactics",))
def train_rows(survey: Survey) -> int:
    """Rows of labelled training data; 0 when there are none."""
    data = survey.data.get("train")
    return (data.rows or 0) if data else 0


@fact(unit="rows", cite=("book:finetuning-tactics",))
def training_rows(train_rows: int, preference_rows: int, document_rows: int) -> int:
    """Rows that training would look at in one pass: labelled ones, else comparisons, else documents."""
    return train_rows or preference_rows or document_rows


@fact(unit="rows")
def preference_rows(survey: Survey) -> int:
    """Rows that compare a chosen with a rejected answer; 0 when there are none."""
    data = survey.data.get("preferences")
    return (data.rows or 0) if data else 0


@fact(unit="documents")
def document_rows(survey: Survey) -> int:
    """Documents at hand for retrieval or for training on raw text; 0 when there are none."""
    data = survey.data.get("documents")
    return (data.rows or 0) if data else 0


@fact(unit="rows")
def validation_rows(survey: Survey) -> int:
    """Rows to choose on; 0 when there are none."""
    data = survey.data.get("validation")
    return (data.rows or 0) if data else 0


@fact(cite=("book:finetuning-tactics",))
def train_quality(survey: Survey) -> str | Unknown:
    """How clean the training data are, as the spec says."""
    data = _data(survey, "train")
    return data if isinstance(data, Unknown) else data.quality or Unknown("the spec does not say how clean it is")


@fact(unit="tokens")
def row_tokens(survey: Survey) -> float | Unknown:
    """Mean tokens of a training row, prompt and answer together."""
    data = survey.data.get("train") or survey.data.get("preferences")
    if data is None:
        return Unknown("the spec gives no training data")
    return data.mean_tokens or Unknown("the length of the training rows is not known")


@fact(unit="tokens")
def longest_row_tokens(survey: Survey) -> int | Unknown:
    """Tokens of the longest training row, prompt and answer together."""
    data = survey.data.get("train") or survey.data.get("preferences")
    if data is None:
        return Unknown("the spec gives no training data")
    return data.tokens.max if data.tokens else Unknown("the length of the training rows is not known")


@fact(unit="tokens")
def longest_answer_tokens(survey: Survey) -> int | Unknown:
    """Tokens of the longest answer in the training data."""
    data = _data(survey, "train")
    if isinstance(data, Unknown):
        return data
    return data.completion_tokens.max if data.completion_tokens else Unknown("the length of the answers is not known")


@fact(unit="fraction", cite=("book:finetuning-tactics",))
def duplicate_share(survey: Survey) -> float | Unknown:
    """Share of the training rows that repeat another row."""
    data = _data(survey, "train")
    if isinstance(data, Unknown):
        return data
    if data.source == "declared" or not data.rows:
        return Unknown("the training data are not at hand")
    return data.duplicates / data.rows


@fact(unit="rows")
def evaluation_rows(spec: Spec, survey: Survey) -> int | Unknown:
    """Rows that rungs are measured on."""
    data = evaluation_data(survey)
    if data is None or data.rows is None:
        return Unknown("the spec gives nothing to measure on")
    return min(data.rows, spec.evaluation.limit or data.rows)


@fact()
def has_evaluation_file(survey: Survey) -> bool:
    """Whether the data that rungs are measured on lie in a file."""
    data = evaluation_data(survey)
    return data is not None and data.path is not None


def evaluation_data(survey: Survey) -> DataSurvey | None:
    """The data that rungs are measured on: the spec's evaluation data, else its test, else its validation data."""
    return next((survey.data[role] for role in ("evaluation", "test", "validation") if role in survey.data), None)
