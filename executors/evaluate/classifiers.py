"""Classifiers that need no language model to generate: what any prompt or finetune for labels has to beat."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from executors.data import Row

Kind = Literal["majority", "nearest", "tfidf-logistic", "linear-probe"]
FOLDS = 5
# Inverse strength of the regularisation of TF-IDF, tried on rows that are not test rows.
STRENGTHS = (1.0, 10.0, 100.0)
# Strengths of the probe's, of which it takes the best by leaving one row out.
RIDGES = (1.0, 10.0, 100.0, 1000.0, 10000.0)


class Classifier(Protocol):
    """Learns labels of rows, and gives labels to others."""

    def fit(self, rows: Sequence[Row], labels: Sequence[str]) -> Classifier:
        """Learn; returns itself."""

    def predict(self, rows: Sequence[Row]) -> list[str]:
        """The label of each row."""


class OverTexts:
    """A scikit-learn estimator over the rows' requests."""

    def __init__(self, estimator: Any) -> None:
        """Wrap an estimator that takes texts."""
        self._estimator = estimator

    def fit(self, rows: Sequence[Row], labels: Sequence[str]) -> OverTexts:
        """Learn; returns itself."""
        self._estimator.fit([row.prompt for row in rows], list(labels))
        return self

    def predict(self, rows: Sequence[Row]) -> list[str]:
        """The label of each row."""
        return [str(label) for label in self._estimator.predict([row.prompt for row in rows])]


class NearestNeighbour:
    """The label of the training row that BM25 finds first [robertson-2009-bm25]."""

    def fit(self, rows: Sequence[Row], labels: Sequence[str]) -> NearestNeighbour:
        """Index the requests; returns itself."""
        import bm25s

        self._labels = list(labels)
        self._index: Any = bm25s.BM25()
        self._index.index(self._words(rows), show_progress=False)
        return self

    def predict(self, rows: Sequence[Row]) -> list[str]:
        """The label of each row's neighbour; of the commonest label where no word is shared."""
        commonest = Counter(self._labels).most_common(1)[0][0]
        found, scores = self._index.retrieve(self._words(rows), k=1, show_progress=False)
        return [
            self._labels[int(at[0])] if score[0] > 0 else commonest for at, score in zip(found, scores, strict=True)
        ]

    @staticmethod
    def _words(rows: Sequence[Row]) -> list[list[str]]:
        import bm25s

        texts = [row.prompt for row in rows]
        words: list[list[str]] = bm25s.tokenize(texts, stopwords=[], return_ids=False, show_progress=False)
        return words


class LinearProbe:
    """A linear classifier (ridge) on features of a frozen model, by request [alain-2016-probes]."""

    def __init__(self, features: Mapping[str, Any]) -> None:
        """Take the features of every request that will be seen, each a vector of one width."""
        self._features = features

    def fit(self, rows: Sequence[Row], labels: Sequence[str]) -> LinearProbe:
        """Learn; returns itself."""
        from sklearn.linear_model import RidgeClassifierCV
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        self._head = make_pipeline(StandardScaler(), RidgeClassifierCV(RIDGES)).fit(self._of(rows), list(labels))
        return self

    def predict(self, rows: Sequence[Row]) -> list[str]:
        """The label of each row."""
        return [str(label) for label in self._head.predict(self._of(rows))]

    def parts(self) -> tuple[list[str], Any, Any, Any, Any]:
        """What was learned: labels, their coefficients and intercepts, and the mean and scale of the features."""
        scaler, ridge = self._head
        return [*ridge.classes_], ridge.coef_, ridge.intercept_, scaler.mean_, scaler.scale_

    def _of(self, rows: Sequence[Row]) -> Any:
        import numpy as np

        return np.stack([self._features[row.prompt] for row in rows])


def settings(kind: Kind, features: Mapping[int, Mapping[str, Any]]) -> list[tuple[str, Classifier]]:
    """The settings of a kind to choose from, each with its name.

    Args:
        kind: which classifier.
        features: layer of the frozen model to the vectors of all requests; for the probe.
    """
    from sklearn.dummy import DummyClassifier
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if kind == "majority":
        return [("", OverTexts(DummyClassifier(strategy="most_frequent")))]
    if kind == "nearest":
        return [("", NearestNeighbour())]
    if kind == "linear-probe":
        return [(f"layer {layer}", LinearProbe(vectors)) for layer, vectors in features.items()]
    # One-letter words and signs count too: a label may hang on them.
    words = {"ngram_range": (1, 2), "sublinear_tf": True, "token_pattern": r"\w+|[^\w\s]"}
    return [
        (
            f"strength {strength:g}",
            OverTexts(make_pipeline(TfidfVectorizer(**words), LogisticRegression(C=strength, max_iter=1000))),
        )
        for strength in STRENGTHS
    ]


def choice_score(classifier: Classifier, train: Sequence[Row], validation: Sequence[Row] | None, seed: int) -> float:
    """Accuracy on validation rows, or without any over folds of the training rows."""
    if validation is not None:
        return share_right(fit_predict(classifier, train, validation), validation)
    from sklearn.model_selection import KFold, StratifiedKFold

    labels = [row.completion or "" for row in train]
    folds = min(FOLDS, len(train))
    if folds < 2:  # noqa: PLR2004 - one row cannot be split
        return 0.0
    # Each label in each fold where there are enough rows of it.
    kinds = StratifiedKFold if min(Counter(labels).values()) >= folds else KFold
    right = 0.0
    for fitted, held in kinds(folds, shuffle=True, random_state=seed).split(labels, labels):
        held_rows = [train[index] for index in held]
        answers = fit_predict(classifier, [train[index] for index in fitted], held_rows)
        right += share_right(answers, held_rows) * len(held_rows)
    return right / len(train)


def fit_predict(classifier: Classifier, train: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """Labels of some rows after learning from others."""
    labels = [row.completion or "" for row in train]
    if len(set(labels)) == 1:
        return [labels[0]] * len(rows)
    return classifier.fit(train, labels).predict(rows)


def share_right(answers: Sequence[str], rows: Sequence[Row]) -> float:
    """Accuracy."""
    return sum(answer == row.completion for answer, row in zip(answers, rows, strict=True)) / max(1, len(rows))
