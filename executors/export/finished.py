"""What a run left, for those who serve it: base, adapters, whole models, prompt, and where each comes from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.bottleneck import is_bottleneck
from executors.models import gguf_file, quantized
from executors.prompt.document import read_prompt
from executors.schedule import schedule
from planner.documents import InputError

if TYPE_CHECKING:
    from executors.prompt.document import Prompt
    from executors.sources import Sources
    from planner.documents import Pin, Step


@dataclass(frozen=True)
class Adapter:
    """An adapter that a run trained or summed up, and the model folder that it stands on."""

    step: Step
    folder: Path
    base: Path
    config: dict[str, Any]
    """As peft reads it."""


@dataclass(frozen=True)
class Finished:
    """The results of a run."""

    sources: Sources
    adapter: Adapter | None
    model: Path | None
    """A whole model: merged, quantized, or trained whole; the last that was made."""
    made_by: Step | None
    """The step that made it."""
    prompt: Prompt | None

    @property
    def name(self) -> str:
        """The plan's name."""
        return self.sources.plan.name

    @property
    def base_id(self) -> str:
        """The base's id, as the plan names it."""
        decision = self.sources.plan.decision("base_model")
        return str((self.base.id if self.base else None) or (decision.answer if decision else "its base"))

    @property
    def base(self) -> Pin | None:
        """The base as the plan pins it: that of a merge where it merges adapters."""
        pins = self.sources.plan.pins
        return pins.get("model/base") or pins.get("model/merge-base")


# What leaves an adapter, and its input that the adapter stands on.
STANDS_ON = {"train": "model", "merge-models": "base"}
MAKERS = ("merge", "merge-models", "quantize", "train")
# Forms that are made to be measured beside the result.
BESIDE = "compare/"


def finished(sources: Sources) -> Finished:
    """The results of a run.

    Raises:
        InputError: the plan was not run.
    """
    if sources.report is None:
        message = f"The plan {sources.plan.name} has not been run, so there is no result to export."
        raise InputError.one("EXPORT020", message, "Run it: adapt run PLAN.")
    adapter, model, made_by = None, None, None
    for step in schedule(sources.plan.steps):
        if step.executor in STANDS_ON and (folder := sources.output(step.address, "adapter")):
            base = sources.find(step.inputs[STANDS_ON[step.executor]])
            if isinstance(base, Path):
                adapter = Adapter(step, folder, base, _config(folder))
        if step.address.startswith(BESIDE):
            continue
        if step.executor in MAKERS and (folder := sources.output(step.address, "model")):
            model, made_by = folder, step
    return Finished(sources, adapter, model, made_by, _prompt(sources))


def whole_model(found: Finished) -> Path:
    """The whole model of a run, with safetensors in 16 or 32 bits.

    Raises:
        InputError: the run left none.
    """
    if found.model is None:
        fix = "Take --to vllm for the adapter, or plan with the decision `serving` set to `merged`."
        if found.adapter is None:
            fix = "Its rungs only prompt or retrieve: serve the base with the prompt, as `adapt serve` does."
        raise InputError.one("EXPORT021", f"The run of {found.name} made no whole model.", fix)
    return found.model


def is_plain(folder: Path) -> bool:
    """Whether a model folder holds weights that are not quantized."""
    return gguf_file(folder) is None and not quantized(folder)


def _config(folder: Path) -> dict[str, Any]:
    if is_bottleneck(folder):
        return {"peft_type": "bottleneck"}
    found = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    return dict(found)


def _prompt(sources: Sources) -> Prompt | None:
    """The prompt that the result was measured with: of the last rung that was."""
    reports = {step.address: step for step in (sources.report.steps if sources.report else ())}
    for step in reversed(schedule(sources.plan.steps)):
        if step.executor == "evaluate" and step.rung and reports[step.address].finished:
            # A head over labels reads requests as they are.
            path = sources.find(step.inputs["prompt"]) if "prompt" in step.inputs else None
            return read_prompt(path) if isinstance(path, Path) else None
    return None
