"""The executor `linear-probe`: a linear head on the features of a frozen model, the layer chosen on other rows."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.heads import Probe, save_probe, text_of
from executors.inputs import missing_inputs
from executors.intervals import proportion
from executors.models import Dtype
from executors.progress import tell
from planner.documents import InputError, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.data import Row
    from executors.evaluate.classifiers import LinearProbe
    from planner.documents import Finding, Resources
    from planner.documents.events import ErrorClass


class ProbeParams(Params):
    """What is told apart, and by which model's features."""

    labels: Literal["found"] | Annotated[list[str], Field(min_length=2)]
    """In the order of the scores; `found` takes the labels of the training rows, sorted."""
    base_dtype: Dtype
    """Data type of the frozen weights."""
    seed: int
    """Seed of the folds, where there are no validation rows to choose the layer on."""


class FitProbe:
    """Fits ridge classifiers on features of several layers and keeps the one that does best on rows it did not see.

    Needs `model` and `train`; with `validation` the layer is chosen there, else by cross-validation.
    """

    name: ClassVar[str] = "linear-probe"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = ProbeParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "sklearn", "safetensors")
    outputs: ClassVar[Mapping[str, str]] = {"adapter": "adapter"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs."""
        del site
        return missing_inputs(step, ("model", "train"), "TRAIN030")

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: one reading of the rows."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/adapter`: the head as safetensors, its layer and its labels.

        Raises:
            InputError: a row has no request or no label of the set.
        """
        from executors.evaluate.classifiers import LinearProbe, choice_score
        from executors.evaluate.features import hidden_features
        from executors.train.labels import check_labels, labels_for

        started = time.process_time()
        files = {name: Path(job.inputs[name]) for name in ("train", "validation") if name in job.inputs}
        rows = {name: _read(file) for name, file in files.items()}
        labels = labels_for(job.params.labels, rows["train"])
        findings = [each for name, file in files.items() for each in check_labels(rows[name], labels, str(file))]
        if findings:
            raise InputError(findings)
        texts = sorted({row.prompt for found in rows.values() for row in found})
        features = hidden_features(
            Path(job.inputs["model"]),
            job.params.base_dtype,
            texts,
            lambda done: tell(job, "reading", done, len(texts), "rows"),
        )
        train, validation = rows["train"], rows.get("validation")
        scores = {
            layer: choice_score(LinearProbe(vectors), train, validation, job.params.seed)
            for layer, vectors in features.items()
        }
        # Of equal layers the lowest is the cheapest.
        layer = max(scores, key=lambda each: (scores[each], -each))
        head = LinearProbe(features[layer]).fit(train, [row.completion or "" for row in train])
        weight, bias = _folded(head, labels)
        save_probe(Probe(layer, labels, weight, bias), job.out / "adapter")
        card = _card(layer, labels, len(train), scores[layer])
        (job.out / "adapter" / "README.md").write_text(card, encoding="utf-8")
        count = len(validation or train)
        right = round(scores[layer] * count)
        return Outcome(
            metrics={"choice_accuracy": proportion(right, count)},
            notes={
                "layer": layer,
                "chosen_on": "cross-validation" if validation is None else "validation",
                "choice_scores": {str(each): round(score, 4) for each, score in scores.items()},
                "labels": list(labels),
                "rows": len(train),
                "trainable": int(weight.numel() + bias.numel()),
                "cpu_s": round(time.process_time() - started, 2),
            },
        )

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _read(file: Path) -> list[Row]:
    """The rows, each with the whole conversation as its request."""
    return [replace(row, prompt=text_of(row), completion=(row.completion or "").strip()) for row in read_rows(file)]


def _folded(head: LinearProbe, labels: tuple[str, ...]) -> tuple[Any, Any]:
    """Weight (labels, width) and bias (labels,): the scaling of the features is a part of them.

    A label without rows gets the lowest score there is.
    """
    import numpy as np
    import torch

    classes, coefficients, intercepts, mean, scale = head.parts()
    if len(classes) == 2:  # noqa: PLR2004 - scikit-learn scores the second of two alone
        coefficients, intercepts = np.atleast_2d(coefficients), np.atleast_1d(intercepts)
        coefficients = np.concatenate([-coefficients, coefficients])
        intercepts = np.concatenate([-intercepts, intercepts])
    weights = coefficients / scale
    biases = intercepts - weights @ mean
    order = {label: number for number, label in enumerate(classes)}
    weight = np.zeros((len(labels), weights.shape[1]))
    bias = np.full(len(labels), np.finfo(np.float32).min)
    for number, label in enumerate(labels):
        if label in order:
            weight[number], bias[number] = weights[order[label]], biases[order[label]]
    return torch.tensor(weight, dtype=torch.float32), torch.tensor(bias, dtype=torch.float32)


def _card(layer: int, labels: tuple[str, ...], rows: int, score: float) -> str:
    return "\n".join(
        [
            "---",
            "pipeline_tag: text-classification",
            "tags: [linear-probe, classification-head]",
            "---",
            "",
            "# Linear probe",
            "",
            f"A linear head on the mean of the hidden states after layer {layer} of the base that it was fitted on.",
            "`executors.heads.load_probe(folder)` reads it; scores are `features @ weight.T + bias`.",
            "",
            f"Labels: {', '.join(labels)}. Fitted on {rows} rows; accuracy where the layer was chosen {score:.4f}.",
            "",
        ]
    )
