"""Long context: pairs whose prompts are longer than the base was made for, behind stretched positions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from executors.models import load_model
from executors.rope import scaled, stretch
from executors.train.params import given
from executors.train.preflight import preflight

if TYPE_CHECKING:
    from executors.contract import Job
    from executors.train.params import TrainParams
    from executors.train.preflight import Ready


def prepare(job: Job) -> Ready:
    """As supervised training does, with the longer context.

    Raises:
        AdaptError: with a finding for each thing that is wrong.
    """
    from transformers import AutoConfig

    ready, params = preflight(job), job.params
    if params.scaling == "none":
        return ready
    config = AutoConfig.from_pretrained(Path(job.inputs["model"]), local_files_only=True)
    changes = scaled(config, params.scaling, given(params.scaling_factor))
    return replace(ready, notes={**ready.notes, "positions": changes})


def load(base: Path, params: TrainParams, ready: Ready, device: str) -> Any:
    """The base with stretched positions."""
    bits = params.base_quantization or "none"
    model = load_model(base, params.base_dtype, attention=params.attention, device=device, quantization=bits)
    if "positions" in ready.notes:
        stretch(model, ready.notes["positions"])  # type: ignore[arg-type]
    return model
