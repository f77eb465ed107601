"""What is odd about a data set that can be used: each remark with the rows it speaks of and a cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.survey.problems import count, first_of, problem

if TYPE_CHECKING:
    from planner.documents import Finding, Spec
    from planner.survey.data_reader import ReadData
    from planner.survey.data_survey import DataSurvey

PREFERENCE_SHAPES = frozenset({"prompt/chosen/rejected", "prompt/completion/label"})


def remarks(spec: Spec, survey: DataSurvey, data: ReadData) -> list[Finding]:
    """What is odd about a data set that can be used."""
    found: list[Finding] = []

    def remark(code: str, message: str, fix: str) -> None:
        found.append(problem(code, message, fix, file=survey.path, severity="warning"))

    taught = survey.role == "train" and any(model.role == "teacher" for model in spec.models)
    if len(data.empty_completions) == data.rows and not taught:
        message = f"None of the {count(data.rows, 'row')} has an answer."
        fix = "Give each an answer: there is nothing to learn from, or to compare with."
        found.append(problem("DATA025", message, fix, file=survey.path))
    elif data.empty_completions and not taught:
        rows = first_of(data.empty_completions)
        message = f"{count(len(data.empty_completions), 'row')} of {data.rows:,} have no answer: {rows}."
        remark("DATA040", message, "Fill or delete them: a model learns to say nothing from them.")
    if data.equal_answers:
        rows = first_of(data.equal_answers)
        message = f"{count(len(data.equal_answers), 'row')} of {data.rows:,} compare an answer with itself: {rows}."
        found.append(problem("DATA049", message, "Take them out: they teach and tell nothing.", file=survey.path))
    if data.duplicates:
        message = f"{count(data.duplicates, 'row')} of {data.rows:,} repeat an earlier row."
        remark("DATA041", message, "Delete them unless the repetition is meant as weight.")
    if data.conflicts and data.shape not in PREFERENCE_SHAPES:
        message = f"{count(data.conflicts, 'row')} of {data.rows:,} repeat a prompt with another answer."
        remark("DATA042", message, "Check which answer is right.")
    output = spec.task.output
    trained = survey.role not in {"documents", "preferences"} and data.shape not in PREFERENCE_SHAPES | {"text"}
    if trained and output.format == "label" and output.labels and data.completions:
        strange = sorted(set(data.completions) - set(output.labels) - {""})
        if strange:
            wrong = sum(data.completions[label] for label in strange)
            message = f"{count(wrong, 'row')} have an answer that is not among the labels: {first_of(strange)}."
            remark("DATA043", message, "Correct the rows, or add the labels to /task/output/labels.")
    if trained and output.format == "json" and survey.json_share is not None and survey.json_share < 1:
        message = f"{1 - survey.json_share:.1%} of the answers looked at are not JSON, the format of the task."
        remark("DATA044", message, "Correct the rows, or the format in /task/output/format.")
    return found


def misplaced(spec: Spec, survey: DataSurvey) -> list[Finding]:
    """Rows of a shape that their role cannot use, and where they belong."""
    said = {"prompt/chosen/rejected": "compare answers", "prompt/completion/label": "judge single answers"}
    role, shape, message, fix = survey.role, str(survey.shape), "", ""
    if role == "train" and shape in said:
        message = f"The rows {said[shape]}, and `train` names pairs of prompt and answer."
        fix = "Name the file as `data.preferences`."
    if (
        role == "train"
        and shape == "text"
        and not (spec.task.infilling or spec.overrides.get("objective") == "infilling")
    ):
        message = "The rows are texts, and `train` names pairs of prompt and answer."
        fix = "Name the file as `data.documents`; or set `task.infilling`, to learn gaps in them."
    if role == "preferences" and shape not in said:
        message = "The rows compare no answers, and judge none."
        fix = "Give each a `chosen` and a `rejected` answer, or a `label`; or name the file as `data.train`."
    return [problem("DATA026", message, fix, file=survey.path)] if message else []
