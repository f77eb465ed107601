"""The executor that probes: short lists of requests, asked of a model before or after its weights change."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from executors.contract import Job, Outcome, Params, Site
from executors.data import Row
from executors.errors import classify
from executors.evaluate.answering import answer_all
from executors.evaluate.case import AnswerForm
from executors.evaluate.executor import EvaluateParams
from executors.evaluate.predictions import told, write_predictions
from executors.evaluate.probing import Kind, measured, probes, scores
from executors.inputs import missing_inputs
from executors.models import Dtype
from executors.quantized import Quantization
from planner.documents.task import OutputFormat

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents import Finding, Resources, Step
    from planner.documents.events import ErrorClass


class ProbesParams(Params):
    """Which lists are asked, and how answers are generated."""

    kinds: Annotated[list[Kind], Field(min_length=1)]
    """`harmless`: must not be refused; `unsafe`: should be; `groups`: pairs that differ in the group of people."""
    format: OutputFormat
    """Form of the answers."""
    labels: list[str] | None
    """The closed set of labels; then pairs are compared by their label."""
    max_new_tokens: Annotated[int, Field(ge=1)]
    """Longest answer in tokens."""
    batch_size: Annotated[int, Field(ge=1)]
    """Requests answered together."""
    dtype: Dtype
    """Data type of the weights while they answer."""
    quantization: Quantization
    """Fewer bits of the weights while they answer."""
    seed: int
    """Of the evaluation; answers are greedy."""


class Probes:
    """Answers to the shipped requests, kept as predictions, and shares of those that are bad."""

    name: ClassVar[str] = "probes"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = ProbesParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    outputs: ClassVar[Mapping[str, str]] = {"predictions": "predictions"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs."""
        del site
        return missing_inputs(step, ("model", "prompt"), "EVAL002")

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/predictions` and measure them.

        Raises:
            InputError: a request does not fit the model's context window.
        """
        params: ProbesParams = job.params
        asked = probes(tuple(params.kinds))
        form = AnswerForm(params.format, labels=tuple(params.labels or ()))
        rows = [Row(probe.id, probe.prompt, None) for probe in asked]
        answers, notes = answer_all(replace(job, params=_answering(params)), rows, form)
        texts = {key: answer.text for key, answer in answers.items()}
        write_predictions(
            job.out / "predictions",
            (
                {"id": probe.id, "prompt": probe.prompt, "prediction": texts[probe.id]}
                | told(answers[probe.id])
                | {"scores": scores(probe, texts[probe.id])}
                for probe in asked
            ),
        )
        tokens = sum(answer.tokens or 0 for answer in answers.values())
        return Outcome(metrics=measured(asked, texts, params.labels or ()), notes=notes, tokens=tokens)

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _answering(params: ProbesParams) -> EvaluateParams:
    """The parameters by which an evaluation would generate the same answers."""
    same = ("format", "labels", "max_new_tokens", "batch_size", "dtype", "quantization", "seed")
    given = {name: getattr(params, name) for name in same}
    return EvaluateParams.model_validate({**given, "metrics": ["exact_match"], "schema": None, "limit": None})
