"""The executor that reads a quantized model where it will be used, and holds it against what its maker answered."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from executors.contract import Job, Outcome, Params, Site
from executors.errors import classify
from executors.inputs import missing_inputs
from executors.intervals import mean
from executors.models import Dtype
from executors.progress import tell
from executors.quantize.apart import ANSWERS, read_answers
from executors.quantize.divergence import logits
from executors.quantize.rounding import load_any
from planner.documents import Finding, Resources, RunError, Step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from planner.documents.events import ErrorClass

# In nats a token, on average: other kernels sum in another order; corrupted weights answer several nats off.
MOST = 0.05


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
        told = read_answers(Path(job.inputs[ANSWERS]))
        tell(job, "reading what was written", 0, 1)
        model = load_any(Path(job.inputs["model"]), params.dtype)
        off, kept = [], []
        for answer, given in zip(told, logits(model, [each["prompt"] for each in told]), strict=True):
            log_p = given.log_softmax(-1)
            tokens = log_p.new_tensor(answer["tokens"]).long()
            there = log_p.gather(-1, tokens[:, None])[:, 0]
            off.append(float((there - log_p.new_tensor(answer["log_p"])).abs().mean()))
            kept.append(float((log_p.argmax(-1) == tokens).float().mean()))
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
