"""The executor of the cheapest answers to a label task: no language model, seconds of work, often hard to beat."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.evaluate.intervals import proportion
from executors.evaluate.predictions import write_predictions
from executors.progress import tell
from planner.documents import Estimate, Finding, InputError, Resources, Step, Where

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.data import Row
    from planner.documents import Measurement
    from planner.documents.events import ErrorClass

Kind = Literal["majority", "nearest", "tfidf-logistic"]
FOLDS = 5


class BaselinesParams(Params):
    """Which baselines are fitted."""

    kinds: Annotated[list[Kind], Field(min_length=1)]
    """Baselines by name; of equal ones the first is kept."""
    labels: list[str] | None
    """The closed set of labels; null takes those of the training rows."""
    seed: int
    """Seed of the cross-validation's folds."""


class Baselines:
    """Fits each baseline on the training rows, chooses on rows that are not test rows, measures all on the test."""

    name: ClassVar[str] = "baselines"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = BaselinesParams
    libraries: ClassVar[tuple[str, ...]] = ("sklearn",)
    outputs: ClassVar[Mapping[str, str]] = {"predictions": "predictions"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs."""
        del site
        return [
            Finding(
                code="EVAL002",
                severity="error",
                message=f"{step.address} has no input `{name}`.",
                fix="Name it.",
                where=Where(pointer=f"/inputs/{name}"),
            )
            for name in ("train", "data")
            if name not in step.inputs
        ]

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
        chosen_by, answers = {}, {}
        for number, kind in enumerate(params.kinds):
            tell(job, kind, number, len(params.kinds), "baselines")
            chosen_by[kind] = _choice_score(kind, train, validation, params.seed)
            answers[kind] = _fit_predict(kind, train, test)
        chosen = max(params.kinds, key=lambda kind: chosen_by[kind])
        metrics = {f"label_accuracy_{kind}": _accuracy(answers[kind], test) for kind in params.kinds}
        metrics["label_accuracy"] = metrics[f"label_accuracy_{chosen}"]
        records = [
            {"id": row.id, "prompt": row.prompt, "expected": row.completion, "prediction": label}
            | {"scores": {"label_accuracy": label == row.completion}}
            for row, label in zip(test, answers[chosen], strict=True)
        ]
        write_predictions(job.out / "predictions", records)
        notes: dict[str, Any] = {
            "chosen": chosen,
            "chosen_on": "cross-validation" if validation is None else "validation",
            "choice_scores": {kind: round(score, 4) for kind, score in chosen_by.items()},
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


def _model(kind: Kind) -> Any:
    from sklearn.dummy import DummyClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline

    # One-letter words and signs count too: a label may hang on them.
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\w+|[^\w\s]")  # noqa: S106
    models = {
        "majority": lambda: DummyClassifier(strategy="most_frequent"),
        "nearest": lambda: make_pipeline(words, KNeighborsClassifier(n_neighbors=1, metric="cosine")),
        "tfidf-logistic": lambda: make_pipeline(words, LogisticRegression(C=10, max_iter=1000)),
    }
    return models[kind]()


def _fit_predict(kind: Kind, train: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    labels = [row.completion or "" for row in train]
    if len(set(labels)) == 1:
        return [labels[0]] * len(rows)
    model = _model(kind).fit([row.prompt for row in train], labels)
    return [str(label) for label in model.predict([row.prompt for row in rows])]


def _choice_score(kind: Kind, train: Sequence[Row], validation: Sequence[Row] | None, seed: int) -> float:
    """Accuracy on validation rows, or over the folds of the training rows."""
    if validation is not None:
        return _accuracy(_fit_predict(kind, train, validation), validation).value
    from sklearn.model_selection import KFold, StratifiedKFold

    labels = [row.completion or "" for row in train]
    rarest = min(Counter(labels).values())
    folds = min(FOLDS, len(train))
    if folds < 2:  # noqa: PLR2004 - one row cannot be split
        return 0.0
    # Each label in each fold where there are enough rows of it.
    kinds = StratifiedKFold if rarest >= folds else KFold
    hits = 0
    for fitted, held in kinds(folds, shuffle=True, random_state=seed).split(labels, labels):
        held_rows = [train[index] for index in held]
        answers = _fit_predict(kind, [train[index] for index in fitted], held_rows)
        hits += sum(answer == row.completion for answer, row in zip(answers, held_rows, strict=True))
    return hits / len(train)


def _accuracy(answers: Sequence[str], rows: Sequence[Row]) -> Measurement:
    return proportion(sum(answer == row.completion for answer, row in zip(answers, rows, strict=True)), len(rows))
