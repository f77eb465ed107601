"""The executor that brings a model into the one form that all others read: a transformers folder of safetensors."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.models import Dtype, load_model, load_tokenizer, save_model
from executors.prepare.gguf import read_gguf
from executors.prepare.hub import fetch
from executors.progress import tell
from planner.documents import Finding, Resources, Step, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.events import ErrorClass

HUB = "hub:"


class PrepareParams(Params):
    """The form of the prepared model."""

    dtype: Dtype
    """Data type of the weights that are written."""


class Prepare:
    """Converts a GGUF file, or fetches a model from a hub."""

    name: ClassVar[str] = "prepare"
    version: ClassVar[str] = "2"
    params: ClassVar[type[Params]] = PrepareParams
    libraries: ClassVar[tuple[str, ...]] = ("transformers", "torch", "gguf", "safetensors")
    outputs: ClassVar[Mapping[str, str]] = {"model": "model"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses a step without a source."""
        del site
        if "source" in step.inputs:
            return []
        message = f"{step.address} has no input `source`."
        fix = "Name a .gguf file, a model folder or hub:ORGANISATION/NAME."
        where = Where(pointer="/inputs/source")
        return [Finding(code="PREP005", severity="error", message=message, fix=fix, where=where)]

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the model's size."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Write `out/model`.

        Raises:
            InputError: the source cannot be read, converted or fetched.
        """
        params: PrepareParams = job.params
        source = job.inputs["source"]
        model, tokenizer = _read(job, source, params.dtype)
        tell(job, "writing the weights", 2, 3)
        save_model(model, tokenizer, job.out / "model")
        tell(job, "done", 3, 3)
        notes = {
            "architecture": type(model).__name__,
            "parameters": model.num_parameters(),
            "dtype": params.dtype,
            "chat_template": bool(tokenizer.chat_template),
            "end_token_ids": model.generation_config.eos_token_id,
        }
        return Outcome(notes=notes)

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)


def _read(job: Job, source: Path | str, dtype: Dtype) -> tuple[Any, Any]:
    if isinstance(source, str) and source.startswith(HUB):
        tell(job, f"fetching {source.removeprefix(HUB)}", 0, 3)
        folder = fetch(source.removeprefix(HUB))
    elif Path(source).is_dir():
        folder = Path(source)
    else:
        tell(job, "reading the GGUF file", 0, 3)
        return read_gguf(Path(source), dtype)
    tell(job, "reading the weights", 1, 3)
    return load_model(folder, dtype, device="cpu"), load_tokenizer(folder)
