"""How sure an estimate is, and why: what was verified, what was only derived, what was guessed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from planner.memory.regime import QUANTIZED

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.setting import TrainingSetting

#: Methods whose steps were compared with the simulator, model by model (docs/memory.md).
VERIFIED_METHODS = frozenset({"full", "lora", "qlora", "dora"})
VERIFIED_OPTIMIZERS = frozenset({"adamw", "adamw-foreach", "adamw-8bit", "paged-adamw-8bit", "sgd"})


class Certainty(NamedTuple):
    """Shares below and above the expected peak, the same for reserved memory, where it comes from, and assumptions."""

    below: float
    above: float
    wide: float
    provenance: str
    assumptions: tuple[str, ...]


def certainty_of(architecture: Architecture, setting: TrainingSetting) -> Certainty:
    """Return how far a training estimate may be off.

    Verified combinations were within 3.4% of the simulator on 400 steps; what was derived in the same way but not
    compared gets three times that; an unknown architecture a guess.
    """
    derived = (
        (
            setting.method not in VERIFIED_METHODS,
            f"method {setting.method} was derived, not compared with a simulated step",
        ),
        (setting.optimizer not in VERIFIED_OPTIMIZERS, f"optimizer {setting.optimizer} was derived, not compared"),
        (setting.loss == "fused", "the fused loss keeps one chunk of logits: chunk sizes differ between kernels"),
        (
            setting.sharding != "single" and setting.devices > 1,
            "sharding divides evenly and gathers two units at a time",
        ),
        (setting.offload != "none", "offload leaves two units of weights on the device"),
        (
            setting.method in QUANTIZED and architecture.is_mixture,
            "experts held in one parameter are not quantized by bitsandbytes: they stay in bf16",
        ),
        (
            setting.objective != "sft" and setting.trainer != "adapt",
            f"{setting.objective} was derived from the plain step",
        ),
    )
    return _certainty(architecture, tuple(text for holds, text in derived if holds))


@lru_cache(maxsize=4096)
def _certainty(architecture: Architecture, derived: tuple[str, ...]) -> Certainty:
    assumptions = (*architecture.missing, *architecture.notes, *derived)
    if not architecture.known:
        return Certainty(0.3, 0.7, 0.4, "guess", assumptions)
    if derived:
        return Certainty(0.1, 0.15, 0.02, "derived", assumptions)
    return Certainty(0.03, 0.04, 0.0, "closed form", assumptions)
