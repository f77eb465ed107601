"""Work, time, energy and cost of training and inference, as intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.memory.errors import EstimateError
from planner.memory.interval import Interval
from planner.memory.moments import step_tokens
from planner.memory.parameters import trainable_parameters
from planner.memory.regime import LOW_RANK, QUANTIZED

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.setting import TrainingSetting

#: Share of a device's dense half-precision peak that training reaches: eager transformers to tuned kernels
#: [palm-2022, appendix B; nemo-automodel-2025]. Quantized bases lose time to dequantization.
UTILISATION = Interval(0.15, 0.32, 0.5)
QUANTIZED_UTILISATION = Interval(0.08, 0.2, 0.35)
#: Share of a device's power limit drawn while it trains.
POWER_SHARE = Interval(0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Work:
    """Floating-point operations of one step (a multiply and an add are two), by phase."""

    forward: float
    backward: float
    recomputation: float

    @property
    def total(self) -> float:
        """All phases."""
        return self.forward + self.backward + self.recomputation


@dataclass(frozen=True, slots=True)
class Effort:
    """What a number of training tokens takes: seconds, device hours, joules, money in the price's currency."""

    tokens_per_s: Interval
    seconds: Interval
    device_hours: Interval
    joules: Interval
    cost: Interval | None
    assumptions: tuple[str, ...]


def forward_flops(architecture: Architecture, tokens: int, context: int) -> float:
    """Return the operations of a forward pass: two a value of every matrix a token meets, and attention's two products.

    Args:
        architecture: from `read_architecture`.
        tokens: how many tokens go through.
        context: tokens each attends to at most; half of them on average when causal [kaplan-2020].
    """
    total = 0.0
    for block in architecture.blocks:
        dense = sum(m.weights for m in block.linears if m.copies == 1)
        share = block.feed_forward.top_k / block.feed_forward.experts if block.feed_forward.experts else 0.0
        sparse = share * sum(m.weights for m in block.linears if m.copies > 1)
        attention = block.attention
        seen = min(context, attention.window) if attention.window else context
        scores = seen * (attention.query_width + attention.output_width) / (2 if architecture.decoder else 1)
        total += block.count * 2.0 * (dense + sparse + scores)
    head = architecture.head.weights if architecture.head is not None else 0
    outer = sum(m.weights for m in architecture.linears)
    return tokens * (total + 2.0 * (head + outer))


def step_flops(architecture: Architecture, setting: TrainingSetting) -> Work:
    """Return the operations of one micro-batch on one device.

    The backward pass costs one forward for gradients of activations and one for gradients of the weights that train;
    frozen weights need none. Checkpointing repeats the forward pass of the layers.

    Raises:
        EstimateError: when a target names no module of the model.
    """
    forward = forward_flops(architecture, step_tokens(setting), setting.sequence)
    share = min(1.0, trainable_parameters(architecture, setting) / max(architecture.parameters, 1))
    reached = 0.0 if setting.method == "linear-probe" else 1.0
    if setting.method == "partial":
        reached = setting.layers_trained / max(architecture.layers, 1)
    overhead = 0.03 if setting.method in LOW_RANK else 0.0
    if setting.objective == "preference":
        forward *= 1.5
    if setting.objective == "distillation":
        forward += 2.0 * setting.teacher_parameters * step_tokens(setting)
    backward = forward * (reached + share + overhead)
    return Work(forward * (1 + overhead), backward, forward * reached if setting.checkpointing else 0.0)


def training_effort(
    architecture: Architecture,
    setting: TrainingSetting,
    *,
    tokens: float,
    device_flops: float,
    watts: float | None = None,
    price_per_hour: float | None = None,
) -> Effort:
    """Return how long a number of tokens takes on the setting's devices, and what that costs.

    Args:
        architecture: from `read_architecture`.
        setting: one micro-batch; devices share the work.
        tokens: tokens of training data, epochs included.
        device_flops: dense half-precision operations a second of one device, from the catalog.
        watts: power limit of one device; no energy without it.
        price_per_hour: price of one device for an hour, in any currency; no cost without it.

    Raises:
        EstimateError: when tokens or rate are not positive.
    """
    for field, value in (("tokens", tokens), ("device_flops", device_flops)):
        if not value > 0:
            raise EstimateError(f"{field} is {value!r}.", field=field, value=value, allowed="a positive number")
    per_token = step_flops(architecture, setting).total / max(step_tokens(setting), 1)
    share = QUANTIZED_UTILISATION if setting.method in QUANTIZED else UTILISATION
    devices = setting.devices if setting.sharding != "single" else 1
    scaling = 1.0 if devices == 1 else 0.85
    rate = Interval(*(device_flops * devices * part * scaling / per_token for part in share))
    seconds = Interval(*(tokens / value for value in reversed(rate)))
    hours = seconds.times(devices / 3600)
    joules = Interval(0, 0, 0)
    if watts is not None:
        joules = Interval(*(s * devices * watts * part for s, part in zip(seconds, POWER_SHARE, strict=True)))
    cost = hours.times(price_per_hour) if price_per_hour is not None else None
    assumptions = [f"{share.low:.0%} to {share.high:.0%} of the device's half-precision peak is reached"]
    if devices > 1:
        assumptions.append("devices together reach 85% of their sum")
    return Effort(rate, seconds, hours, joules, cost, tuple(assumptions))
