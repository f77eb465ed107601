"""Facts about the data: how much there is, how long, how clean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.documents import DataSource
from planner.facts.registry import Unknown, fact
from planner.facts.words import words_of

if TYPE_CHECKING:
    from collections.abc import Mapping

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


@fact(cite=("ethayarajh-2024-kto",))
def single_answers_judged(survey: Survey) -> bool | Unknown:
    """Whether the preference data judge one answer a row, and do not compare two."""
    data = survey.data.get("preferences")
    if data is None or data.shape is None:
        return Unknown("no preference data are at hand")
    return data.shape == "prompt/completion/label"


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


@fact(cite=("book:finetuning-tactics",), words=words_of(DataSource, "quality"))
def data_quality(survey: Survey) -> str | Unknown:
    """How clean the examples are that training would learn from: labelled rows, else comparisons."""
    data = next((survey.data[role] for role in ("train", "preferences") if survey.data.get(role)), None)
    if data is None or not data.rows:
        return Unknown("there are no examples")
    return data.quality or Unknown("the spec does not say how clean the examples are")


@fact(unit="fraction", cite=("book:finetuning-tactics",))
def multi_turn_share(survey: Survey) -> float | Unknown:
    """Rows of the training data that are conversations with more than one answer, as a fraction."""
    data = _data(survey, "train")
    if isinstance(data, Unknown):
        return data
    return Unknown("the training rows were not read") if data.multi_turn_share is None else data.multi_turn_share


@fact(unit="rows", cite=("book:finetuning-tactics",))
def example_rows(train_rows: int, preference_rows: int) -> int:
    """Examples of the wanted behaviour: labelled rows or comparisons, whichever are more."""
    return max(train_rows, preference_rows)


@fact(unit="rows", cite=("book:finetuning-tactics",))
def doubled_rows(example_rows: int) -> int:
    """Twice the examples at hand: the step by which data scaling shows."""
    return 2 * example_rows


@fact(unit="rows", cite=("book:finetuning-tactics",))
def rows_missing(rows_wanted: int, example_rows: int) -> int:
    """Examples that are wanted beyond those at hand."""
    return max(0, int(rows_wanted) - example_rows)


@fact(unit="USD", cite=("book:finetuning-tactics",))
def annotation_cost_low_usd(rows_missing: int, thresholds: Mapping[str, float]) -> float:
    """What the missing examples cost when annotators write them at the lowest price."""
    return rows_missing * thresholds["annotator_low_usd"]


@fact(unit="USD", cite=("book:finetuning-tactics",))
def annotation_cost_high_usd(rows_missing: int, thresholds: Mapping[str, float]) -> float:
    """What the missing examples cost when annotators write them at the highest price."""
    return rows_missing * thresholds["annotator_high_usd"]


@fact(unit="USD", cite=("book:finetuning-tactics",))
def expert_cost_low_usd(rows_missing: int, thresholds: Mapping[str, float]) -> float:
    """What the missing examples cost when experts write them at the lowest price."""
    return rows_missing * thresholds["expert_low_usd"]


@fact(unit="USD", cite=("book:finetuning-tactics",))
def expert_cost_high_usd(rows_missing: int, thresholds: Mapping[str, float]) -> float:
    """What the missing examples cost when experts write them at the highest price."""
    return rows_missing * thresholds["expert_high_usd"]


@fact(unit="fraction", cite=("book:finetuning-tactics",))
def conflict_share(survey: Survey) -> float | Unknown:
    """Share of the training rows that repeat a prompt with another answer."""
    data = _data(survey, "train")
    if isinstance(data, Unknown):
        return data
    if data.source == "declared" or not data.rows:
        return Unknown("the training data are not at hand")
    return data.conflicts / data.rows


@fact(unit="rows", cite=("book:finetuning-tactics",))
def leaked_rows(survey: Survey) -> int | Unknown:
    """Rows to measure on whose prompt also stands in the data to train or choose on."""
    data = evaluation_data(survey)
    if data is None or data.source == "declared":
        return Unknown("the data to measure on are not at hand")
    return sum(overlap.rows for overlap in data.overlaps if overlap.other in ("train", "preferences", "validation"))


@fact(unit="fraction", cite=("book:finetuning-tactics",))
def largest_label_share(survey: Survey) -> float | Unknown:
    """Share of the most frequent label in the training data: what always answering it would score."""
    data = _data(survey, "train")
    if isinstance(data, Unknown):
        return data
    return Unknown("the labels were not read") if data.label_share is None else data.label_share


@fact(unit="labels", cite=("book:finetuning-tactics",))
def labels_without_rows(spec: Spec, survey: Survey) -> int | Unknown:
    """Labels of the task that no training row shows."""
    data = survey.data.get("train")
    if data is None or not data.labels or not spec.task.output.labels:
        return Unknown("the labels are not listed, or their rows were not read")
    return sum(label not in data.labels for label in spec.task.output.labels)


@fact(unit="tokens")
def document_tokens(survey: Survey) -> float | Unknown:
    """Mean tokens of a document."""
    data = _data(survey, "documents")
    return data if isinstance(data, Unknown) else data.mean_tokens or Unknown("the length of documents is not known")


@fact(cite=("book:finetuning-and-rag",))
def measures_on_validation(survey: Survey) -> bool:
    """Whether the rows that rungs are measured on are those that settings are chosen on."""
    roles = [role for role in ("evaluation", "test", "validation") if role in survey.data]
    return bool(roles) and roles[0] == "validation"


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


def evaluation_data(survey: Survey) -> DataSurvey | None:
    """The data that rungs are measured on: the spec's evaluation data, else its test, else its validation data."""
    return next((survey.data[role] for role in ("evaluation", "test", "validation") if role in survey.data), None)
