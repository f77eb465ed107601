"""The executor that reads a quantized model where it will be used, and holds it against what its maker answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.inputs import missing_inputs
from executors.intervals import mean
from executors.models import Dtype
from executors.progress import tell
from executors.quantize.apart import ANSWERS, MOST, differences
from executors.quantize.divergence import logits
from executors.quantize.rounding import load_any
from planner.documents import Finding, Resources, RunError, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.events import ErrorClass


class ReloadParams(Params):
    """How the files are read."""

    dtype: Dtype
    """Data type of what is computed."""
    seed: int
    """Seed of bootstrap intervals."""


class Reload:
    """Reads a folder that another environment wrote; it fails where the weights answer otherwise than they did there.

    A quantized model that was written wrongly, or is read wrongly, answers garbage without an error.
    """

    name: ClassVar[str] = "reload"
    version: ClassVar[str] = "1"
    params: ClassVar[type[Params]] = ReloadParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "compressed_tensors")
    outputs: ClassVar[Mapping[str, str]] = {}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Refuses missing inputs."""
        del site
        return missing_inputs(step, ("model", ANSWERS), "RELOAD001")

    def estimate(self, step: Step, site: Site) -> Resources:
        """What was planned: neither the step nor the site tells the model's size."""
        del site
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Measure by how much the logarithm of a token's probability differs, and the share of tokens kept.

        Raises:
            RunError: what is read is not what was written.
        """
        params: ReloadParams = job.params
        told = json.loads(Path(job.inputs[ANSWERS]).read_text(encoding="utf-8"))
        tell(job, "reading what was written", 0, 1)
        model = load_any(Path(job.inputs["model"]), params.dtype)
        off, kept = differences(told, logits(model, [each["prompt"] for each in told]))
        metrics = {"reload_difference": mean(off, params.seed), "reload_agreement": mean(kept, params.seed)}
        found = metrics["reload_difference"].value
        if found > MOST:
            message = f"The files answer otherwise here than where they were made, by {found:.3g} nats a token."
            raise RunError.one("QUANT010", message, "Choose another method of quantization.")
        tell(job, "done", 1, 1)
        return Outcome(metrics=metrics, notes={"prompts": len(told), "dtype": params.dtype})

    def classify(self, error: BaseException) -> ErrorClass:
        """See `executors.errors`."""
        return classify(error)
