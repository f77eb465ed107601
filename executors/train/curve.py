"""What the curve of losses says, in a sentence."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# A change of the loss below this share is noise.
NOISE = 0.02
FALLING = 0.05
LEARNED = 0.9
RISEN = 1.3
# Usual rates of a method lie within a few hundredths of the highest one.
FAR_BELOW = 0.001
ENOUGH_STEPS = 8


# Highest learning rates that are usual; a training that goes nowhere at more of it does so because of it.
USUAL = {"full": 1e-3, "qat": 1e-3, "partial": 1e-3, "galore": 1e-2, "bitfit": 1e-2, "ia3": 1e-1}
USUAL_OF_ADAPTERS = 1e-2
USUAL_OF_SOFT_PROMPTS = 0.5


def usual_rate(method: str) -> float:
    """The highest learning rate that is usual for a method [peft-docs]."""
    return USUAL.get(method, USUAL_OF_SOFT_PROMPTS if method.endswith("-tuning") else USUAL_OF_ADAPTERS)


def remedy(learning_rate: float, method: str, precision: str) -> str:
    """What to do about a loss that is no longer finite."""
    times_usual = learning_rate / usual_rate(method)
    if times_usual > 1:
        told = f"{times_usual:.3g} times the highest that is usual for the method"
        return f"Lower the learning rate: {learning_rate:g} is {told}."
    return "Lower the learning rate, or lengthen the warm-up" + (
        "." if precision == "fp32" else f"; or compute in fp32 instead of {precision}."
    )


def describe(
    losses: Sequence[float], evaluations: Sequence[tuple[int, float]], steps_per_epoch: int, times_usual: float = 0.0
) -> str:
    """What the losses of all steps, and the validation losses with their steps, say of rate and epochs.

    Args:
        losses: of every optimizer step.
        evaluations: optimizer steps and validation losses.
        steps_per_epoch: optimizer steps.
        times_usual: the learning rate over the highest that is usual for the method.
    """
    if len(losses) < ENOUGH_STEPS:
        return f"{len(losses)} steps are too few to read a curve."
    eighth = len(losses) // ENOUGH_STEPS
    means = [fmean(losses[start : start + eighth]) for start in range(0, len(losses) - eighth + 1, eighth)]
    first, last, lowest = means[0], means[-1], min(means)
    span = f"from {first:.3f} to {last:.3f}"
    if last > lowest * RISEN and last > first * LEARNED:
        return f"The training loss rose again, {span} after a low of {lowest:.3f}: the learning rate is too high."
    if last > first * LEARNED:
        return _unmoved(f"{'hardly fell' if last < first else 'did not fall'}, {span}", times_usual)
    if evaluations:
        return _validated(span, evaluations, steps_per_epoch)
    state = "was still falling at the end" if last < means[-2] * (1 - FALLING) else "settled"
    return f"The training loss fell {span} and {state}; there were no validation rows to check it."


def _unmoved(went: str, times_usual: float) -> str:
    told = f"at a learning rate of {times_usual:.3g} times the highest that is usual for the method"
    if times_usual > 1:
        return f"The training loss {went}, {told}: it is too high."
    if 0 < times_usual < FAR_BELOW:
        return f"The training loss {went}, {told}: it is too low."
    return f"The training loss {went}: the learning rate is too low, or the rows teach nothing new."


def _validated(span: str, evaluations: Sequence[tuple[int, float]], steps_per_epoch: int) -> str:
    best_step, best = min(evaluations, key=lambda item: item[1])
    end = evaluations[-1][1]
    if end > best * (1 + NOISE):
        return (
            f"The validation loss was lowest, {best:.3f}, after {best_step / steps_per_epoch:.1f} epochs and rose to "
            f"{end:.3f}: more epochs overfit; the best checkpoint was kept."
        )
    if len(evaluations) > 1 and end < evaluations[-2][1] * (1 - FALLING):
        return f"The validation loss was still falling at the end, to {end:.3f}: more epochs are likely to help."
    return f"The training loss fell {span}, and the validation loss settled at {end:.3f}."
