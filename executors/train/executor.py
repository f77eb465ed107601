"""The executor `train`."""

from __future__ import annotations

import importlib.util
from typing import TYPE_CHECKING, ClassVar

from executors.errors import classify
from executors.train.belonging import output_of
from executors.train.liger import unsupported
from executors.train.params import TrainParams
from executors.train.spreading import BY_DEEPSPEED, out_of_reach
from executors.train.trackers import unusable
from planner.documents import Finding, Where

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executors.contract import Job, Outcome, Params, Site
    from planner.documents import Resources, Step
    from planner.documents.events import ErrorClass


class Train:
    """Trains an adapter or a model on rows with answers, through trl, peft and bitsandbytes.

    Needs `model`, `train` and, but for raw text and heads, `prompt`; with `validation` it evaluates on the way, stops
    when patience ends and keeps the best checkpoint. With an `index` (its `encoder` and `reranker` where it needs them)
    a reader is trained: on prompts with passages, as evaluation renders them.
    """

    name: ClassVar[str] = "train"
    version: ClassVar[str] = "4"
    params: ClassVar[type[Params]] = TrainParams
    libraries: ClassVar[tuple[str, ...]] = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")
    outputs: ClassVar[Mapping[str, str]] = {"adapter": "adapter", "model": "model"}

    def check(self, step: Step, site: Site) -> list[Finding]:
        """Inputs that are missing, and arithmetic that this machine does not have."""
        findings = [
            _finding(step, f"The input {name} is missing.", f"Add the input {name} to the step.")
            for name in ("model", "train", *(() if step.params.get("objective") in PROMPTLESS else ("prompt",)))
            if name not in step.inputs
        ]
        validates = "validation" in step.inputs or step.params.get("held_out")
        if step.params.get("early_stopping_patience") is not None and not validates:
            findings.append(
                _finding(
                    step, "Early stopping needs validation rows.", "Add the input validation, or set patience to null."
                )
            )
        if step.params.get("attention") == "flash" and site.device != "cuda":
            findings.append(_finding(step, f"Attention flash does not run on {site.device}.", "Use attention sdpa."))
        if step.params.get("precision") == "fp16" and site.device not in ("cuda", "rocm"):
            findings.append(_finding(step, f"Precision fp16 cannot be trained on {site.device}.", "Use bf16, or fp32."))
        if reason := unsupported(str(step.params.get("liger_kernel")), site.device):
            findings.append(_finding(step, reason, "Set liger_kernel to never."))
        optimizer, leaves = str(step.params.get("optimizer")), output_of(str(step.params.get("method")))
        if optimizer.startswith("paged") and site.device != "cuda":
            message = f"Optimizer {optimizer} pages its states through CUDA, which {site.device} has not."
            findings.append(_finding(step, message, f"Use {optimizer.removeprefix('paged-')}."))
        if step.outputs and step.outputs != (leaves,):
            message = f"The method {step.params.get('method')} leaves a {leaves}, not {', '.join(step.outputs)}."
            findings.append(_finding(step, message, f"Declare the output {leaves}."))
        wrong = (*out_of_reach(step.params, site), *unusable())
        findings += [_finding(step, message, fix) for message, fix in wrong]
        findings += [
            _finding(step, f"The package {package} is missing, which {reason} needs.", f"Install {package}.")
            for package, reason in _more_packages(step)
            if importlib.util.find_spec(package) is None
        ]
        return findings

    def estimate(self, step: Step, site: Site) -> Resources:  # noqa: ARG002
        """What the planner's memory and time model says; the step carries it."""
        return step.resources

    def perform(self, job: Job) -> Outcome:
        """Train and leave `out/adapter` or `out/model`; goes on from what verifies under `job.checkpoints`.

        Raises:
            AdaptError: a check before or after loading failed, or the loss is no longer finite.
        """
        from executors.train.work import train

        return train(job)

    def classify(self, error: BaseException) -> ErrorClass:
        """As all executors do; a loss that is not finite is `nan`."""
        found = getattr(error, "findings", ())
        return "nan" if any(finding.code == NOT_FINITE for finding in found) else classify(error)


NOT_FINITE = "TRAIN020"
# Objectives that learn from text as it is, without a prompt.
PROMPTLESS = frozenset({"continued-pretraining", "classification-head", "infilling"})


def _more_packages(step: Step) -> list[tuple[str, str]]:
    """Packages that some methods and optimizers need, and which."""
    optimizer, bits = str(step.params.get("optimizer")), step.params.get("base_quantization")
    needed = [("galore_torch", optimizer)] if optimizer == "galore-adamw" else []
    if optimizer.endswith("8bit") or bits:
        needed.append(("bitsandbytes", optimizer if optimizer.endswith("8bit") else f"a base in {bits}"))
    if step.params.get("distribution") in BY_DEEPSPEED:
        needed.append(("deepspeed", f"distribution {step.params['distribution']}"))
    return needed


def _finding(step: Step, message: str, fix: str) -> Finding:
    where = Where(pointer=f"/steps/{step.address.replace('/', '~1')}")
    return Finding(code="TRAIN030", severity="error", message=message, fix=fix, where=where)
