"""The executor of the cheapest answers to a label task: no language model, seconds of work, often hard to beat."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.evaluate.case import AnswerForm, Case
from executors.evaluate.classifiers import Kind, choice_score, fit_predict, settings
from executors.evaluate.features import hidden_features
from executors.evaluate.predictions import write_predictions
from executors.evaluate.scoring import case_counts, case_scores, measure
from executors.inputs import missing_inputs
from executors.intervals import proportion
from executors.models import Dtype
from executors.progress import tell
from planner.documents import Estimate, Finding, InputError, Resources, Step

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.data import Row
    from planner.documents import Measurement
    from planner.documents.events import ErrorClass


class BaselinesParams(Params):
    """Which baselines are fitted."""

    kinds: Annotated[list[Kind], Field(min_length=1)]
    """Baselines by name; of equal ones the first is kept."""
    metrics: Annotated[list[str], Field(min_length=1)]
    """Metrics of a label by name, such as `macro_f1`; the share of right labels is measured of every baseline."""
    labels: list[str] | None
    """The closed set of labels; null takes those of the training rows."""
    dtype: Dtype = "bf16"
    """Data type of the model that the linear probe looks into."""
    seed: int
    """Seed of the cross-validation's folds."""


class Baselines:
    """Fits each baseline on the training rows, chooses on rows that are not test rows, measures all on the test."""

    name: ClassVar[str] = "baselines"
    version: ClassVar[str] = "2"
    params: ClassVar[type[Params]] = BaselinesParams
    libraries: ClassVar[tuple[str, ...]] = ("sklearn",)
    outputs: ClassVar[Mapping[str, str]] = {"predictions": "predictions"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs."""
        del site
        kinds = step.params.get("kinds")
        probe = ("model",) if isinstance(kinds, list) and "linear-probe" in kinds else ()
        return missing_inputs(step, ("train", "data", *probe), "EVAL002")

    def estimate(self, step: Step, site: Site) -> Resources:
        """Seconds: scikit-learn on a few thousand short texts."""
        del step, site
        return Resources(time=Estimate(low=1, expected=3, high=60, unit="s", provenance="assumed"))

    def perform(self, job: Job) -> Outcome:
        """Write `out/predictions` of the chosen baseline.

        Raises:
            InputError: a row has no label, or one outside of the set.
        """
        params: BaselinesParams = job.params
        train, test = (_rows(Path(job.inputs[name]), params.labels) for name in ("train", "data"))
        validation = _rows(Path(job.inputs["validation"]), params.labels) if "validation" in job.inputs else None
        features = _features(job, [*train, *test, *(validation or ())])
        chosen_by, answers, kept = {}, {}, {}
        for number, kind in enumerate(params.kinds):
            tell(job, kind, number, len(params.kinds), "baselines")
            tried = [
                (choice_score(each, train, validation, params.seed), -at, name, each)
                for at, (name, each) in enumerate(settings(kind, features))
            ]
            chosen_by[kind], _, kept[kind], best = max(tried, key=lambda item: item[:2])
            answers[kind] = fit_predict(best, train, test)
        chosen = max(params.kinds, key=lambda kind: chosen_by[kind])
        metrics = {f"label_accuracy_{kind}": _accuracy(answers[kind], test) for kind in params.kinds}
        form = AnswerForm("label", labels=tuple(params.labels or sorted({row.completion or "" for row in train})))
        cases = [Case(form, label, row.completion or "") for row, label in zip(test, answers[chosen], strict=True)]
        names = list(dict.fromkeys(["label_accuracy", *params.metrics]))
        metrics |= measure(cases, names, params.seed, lenient=False)
        records = [
            {"id": row.id, "prompt": row.prompt, "expected": case.expected, "prediction": case.prediction}
            | {"scores": {name: score for name, score in case_scores(case, names).items() if name in names}}
            | {"counts": case_counts(case, names)}
            for row, case in zip(test, cases, strict=True)
        ]
        write_predictions(job.out / "predictions", records)
        notes: dict[str, Any] = {
            "chosen": chosen,
            "chosen_on": "cross-validation" if validation is None else "validation",
            "choice_scores": {kind: round(score, 4) for kind, score in chosen_by.items()},
            "settings": {kind: name for kind, name in kept.items() if name},
        }
        return Outcome(metrics=metrics, notes=notes)

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _rows(path: Path, labels: Sequence[str] | None) -> list[Row]:
    rows = read_rows(path)
    for row in rows:
        if row.completion is None or (labels is not None and row.completion not in labels):
            said = "no label" if row.completion is None else f"the label {row.completion!r}, which is not in the set"
            message = f"The row {row.id} has {said}."
            raise InputError.one("DATA022", message, "Correct the row or the labels of the task.", file=str(path))
    return rows


def _features(job: Job, rows: Sequence[Row]) -> Mapping[int, Mapping[str, Any]]:
    """What the frozen model makes of every row; nothing when no probe is asked for."""
    if "linear-probe" not in job.params.kinds:
        return {}
    texts = sorted({row.prompt for row in rows})
    folder = Path(job.inputs["model"])
    return hidden_features(
        folder, job.params.dtype, texts, lambda done: tell(job, "features", done, len(texts), "rows")
    )


def _accuracy(answers: Sequence[str], rows: Sequence[Row]) -> Measurement:
    return proportion(sum(answer == row.completion for answer, row in zip(answers, rows, strict=True)), len(rows))
