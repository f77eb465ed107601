"""The executor that proves that what is served kept the behaviour of what was measured."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import Field

from executors.comparison import compare
from executors.contract import Job, Outcome, Params, Site
from executors.data import read_rows
from executors.errors import classify
from executors.evaluate.answering import ask
from executors.evaluate.predictions import read_predictions
from executors.heads import is_classifier
from executors.inputs import missing_inputs
from executors.models import Dtype, gguf_file, quantized
from executors.progress import tell
from executors.quantize.divergence import Likeness
from executors.quantized import KvCache, Quantization
from planner.documents import Finding, InputError, Measurement, Resources, Step

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import Any

    from executors.data import Row
    from planner.documents import JsonValue
    from planner.documents.events import ErrorClass

NEEDED = ("model", "reference_model", "reference", "data")
WEIGHTS = (".safetensors", ".gguf")


class EquivalenceParams(Params):
    """On what two models are compared."""

    metric: str | None
    """The score whose loss is measured case by case, on the answers that both wrote themselves; null for none."""
    falling: bool
    """Whether a lower score is the better one."""
    rows: Annotated[int, Field(ge=1)]
    """Cases on which the models' tokens are compared, the first ones that the reference answered."""
    tokens: Annotated[int, Field(ge=1)]
    """Tokens of answers that are compared in all: each takes the memory of one number a word of the vocabulary."""
    dtype: Dtype
    """Data type of the weights while they answer."""
    quantization: Quantization
    """Fewer bits of the compared weights while they answer, where 16 do not fit the device."""
    kv_cache: KvCache
    """In what keys and values of the compared model are kept while it answers; of the reference in 16 bits."""
    reference_quantization: Quantization
    """The same of the reference."""
    max_new_tokens: Annotated[int, Field(ge=1)]
    """Room that prompts leave to an answer, as they were measured."""
    passages: Annotated[int, Field(ge=1)] | None
    """Passages of the index in each prompt; null for as many as the index was made for."""
    seed: int
    """Seed of bootstrap intervals."""


class Equivalence:
    """Compares two models token by token on the reference's own answers, and case by case on the answers of each.

    The inputs `model` and `adapter` are what is to be served, `predictions` its answers; `reference_model`,
    `reference_adapter` and `reference` are those of what was measured before.
    """

    name: ClassVar[str] = "equivalence"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = EquivalenceParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers")
    outputs: ClassVar[Mapping[str, str]] = {}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs."""
        del site
        return missing_inputs(step, NEEDED, "EQUIV001")

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the size of the models."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Measure the divergence in nats a token, the share of tokens that are the same, and the loss of the score.

        Raises:
            InputError: the reference answered no row of the data, or a model cannot be read.
        """
        params: EquivalenceParams = job.params
        told = {record["id"]: record for record in read_predictions(Path(job.inputs["reference"]))}
        known = [row for row in read_rows(Path(job.inputs["data"])) if row.id in told and not told[row.id].get("error")]
        if not known:
            message = "The reference answered no row of the data."
            raise InputError.one("EQUIV002", message, "Name predictions of the same data.", pointer="/inputs/reference")
        asked, _ = ask(job, known[: params.rows])
        reference = replace(
            job,
            inputs=_of_reference(job.inputs),
            params=params.model_copy(update={"quantization": params.reference_quantization, "kv_cache": "16-bit"}),
        )
        answers = {row.id: str(told[row.id]["prediction"]) for row in asked}
        tell(job, "reading as it was measured", 0, 2)
        wanted, tokens = _given(reference, asked, answers)
        like = Likeness(list(wanted))
        gc.collect()
        tell(job, "reading as it is served", 1, 2)
        given, _ = _given(job, asked, answers, reference)
        metrics = like.measure(given, params.seed)
        if params.metric and "predictions" in job.inputs:
            own = {record["id"]: record for record in read_predictions(Path(job.inputs["predictions"]))}
            metrics |= _loss(params, list(told.values()), list(own.values()))
        tell(job, "done", 2, 2)
        notes: dict[str, JsonValue] = {"rows": len(like.reference), "tokens": tokens, "dtype": params.dtype}
        notes |= {"bytes": _bytes(job.inputs), "reference_bytes": _bytes(reference.inputs)}
        if gguf_file(Path(job.inputs["model"])) is not None:
            notes["weights"] = "dequantized from GGUF"
        elif quantized(Path(job.inputs["model"])) == "compressed-tensors":
            # transformers makes matrices of them at the first pass.
            notes["weights"] = "dequantized from compressed-tensors"
        return Outcome(metrics=metrics, notes=notes)

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _of_reference(inputs: Mapping[str, Path | str]) -> dict[str, Path | str]:
    own = {name: source for name, source in inputs.items() if name not in ("model", "adapter")}
    return {name.removeprefix("reference_"): source for name, source in own.items()}


def _given(
    job: Job, rows: Sequence[Row], answers: Mapping[str, str], asked: Job | None = None
) -> tuple[Iterator[Any], int]:
    """What a job's model gives for the answers, and how many tokens they have; `asked` is whose prompts are read."""
    from executors.equivalence.forcing import label_logits, texts_of, token_logits

    if is_classifier(job.inputs):
        return label_logits(job, rows), len(rows)
    texts = texts_of(asked or job, rows, answers)
    if not texts:
        message = "No answer of the reference fits the model's window after its prompt."
        raise InputError.one("EQUIV003", message, "Take shorter prompts.", pointer="/params/max_new_tokens")
    return token_logits(job, texts), sum(len(text.answer) for text in texts)


def _loss(
    params: EquivalenceParams, reference: Sequence[Mapping[str, Any]], own: Sequence[Mapping[str, Any]]
) -> dict[str, Measurement]:
    """By how much the score got worse on the cases that both answered; nothing where too few are the same."""
    found = compare(str(params.metric), reference, own, params.seed)
    if found is None:
        return {}
    (value, low, high), n, _ = found
    if params.falling:
        value, low, high = -value, -high, -low
    return {"metric_loss": Measurement(value=value, low=low, high=high, n=n, interval="bootstrap")}


def _bytes(inputs: Mapping[str, Path | str]) -> int:
    """Weights on disk, of the model and of an adapter beside it."""
    folders = [Path(inputs[name]) for name in ("model", "adapter") if name in inputs]
    return sum(file.stat().st_size for folder in folders for file in folder.rglob("*") if file.suffix in WEIGHTS)
