"""The moments of one training step at which memory can peak, each with everything that is alive then.

1 end of forward, 2 backward of the loss, 3 backward of the output layer, 4 and 5 backward of the last and the first
layer, 6 end of backward, 7 optimizer step. The peak is the largest, never their sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from planner.memory.activations import Saved, activation_saved, block_saved, inputs_saved, norm_output, norm_saved
from planner.memory.attention_saved import kernel_of
from planner.memory.experts_saved import largest_expert_gradient, merged_expert_bytes
from planner.memory.logits import logit_bytes
from planner.memory.optimizer import step_bytes
from planner.memory.own_loss import learned_tokens
from planner.memory.regime import FP32, HALF
from planner.memory.weights import allocated

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture, Block
    from planner.memory.fixed import Fixed
    from planner.memory.regime import Regime
    from planner.memory.setting import TrainingSetting


class Moment(NamedTuple):
    """One point of a training step: bytes alive at it, by what they are for."""

    name: str
    weights: float
    gradients: float
    optimizer: float
    activations: float
    logits: float
    temporary: float

    @property
    def bytes(self) -> float:
        """All of it."""
        return self.weights + self.gradients + self.optimizer + self.activations + self.logits + self.temporary


class LayerCost(NamedTuple):
    """Bytes of one layer: saved by each half, and what its backward pass needs on top at its two widest points."""

    layers: int
    constant: float
    attention: float
    feed_forward: float
    attention_spot: float
    feed_forward_spot: float
    gradients: float
    down_gradient: float


def moments_of(architecture: Architecture, setting: TrainingSetting, regime: Regime, fixed: Fixed) -> list[Moment]:
    """List every moment of a step, in order of time."""
    tokens = step_tokens(setting)
    layers = _layers_with_graph(architecture, setting)
    inner = regime._replace(trains_all=True) if setting.method == "partial" else regime
    costs = [
        _layer_cost(block, setting, inner, fixed, tokens)._replace(layers=count)
        for block, count in zip(architecture.blocks, layers, strict=True)
    ]
    hidden = architecture.hidden
    stream = allocated(tokens * hidden * regime.stream)
    saved = sum(cost.layers * (cost.constant + cost.attention + cost.feed_forward) for cost in costs)
    if fixed.frozen_start and not setting.checkpointing:
        first = block_saved(architecture.blocks[0], setting, regime).first_norm
        saved -= sum(allocated(tokens * part) for part in first)
    kept = sum(layers) * stream if setting.checkpointing else saved
    final = sum(allocated(tokens * part) for part in _final_norms(architecture, regime))
    learned = learned_tokens(setting, tokens)
    final += sum(allocated(learned * part) for part in _head_saved(architecture, setting, regime))
    logits = logit_bytes(architecture, setting, regime, tokens)
    held = fixed.gradients if setting.accumulation > 1 else 0.0
    loss_casts = fixed.head_cast + (0.0 if setting.checkpointing else fixed.layer_casts)
    forward_casts = fixed.head_cast + (fixed.cached_casts if setting.checkpointing else fixed.layer_casts)
    w, o, g = fixed.weights, fixed.states, fixed.gradients
    moments = [
        Moment("end of forward", w, held, o, kept + final, logits.forward, forward_casts),
        Moment("backward of the loss", w, held, o, kept + final, logits.backward, loss_casts),
    ]
    value = regime.product
    head_gradient = fixed.head_gradient + (fixed.head_gradient * HALF / FP32 if regime.autocast else 0.0)
    moments.append(
        Moment(
            "backward of the output layer", w, held, o, kept + final, logits.gradient,
            loss_casts + head_gradient + tokens * hidden * value,
        )
    )  # fmt: skip
    wide = max(costs, key=lambda cost: cost.feed_forward_spot + cost.constant + cost.attention + cost.feed_forward)
    layer = wide.constant + wide.attention + wide.feed_forward if setting.checkpointing else 0.0
    last = max(held, fixed.head_gradient) + wide.down_gradient
    tail_casts = 0.0 if setting.checkpointing else fixed.layer_casts
    moments.append(
        Moment("backward of the last layer", w, last, o, kept + layer, 0.0, wide.feed_forward_spot + tail_casts)
    )
    own = wide.constant + wide.attention + wide.feed_forward
    before = stream if setting.checkpointing else 0.0
    done = max(held, g - wide.gradients - fixed.embedding_gradient) if fixed.trains_all else g
    spot = max(wide.feed_forward + wide.feed_forward_spot, wide.attention_spot)
    if wide.attention_spot > wide.feed_forward + wide.feed_forward_spot:
        moments.append(Moment("backward of the first layer", w, done, o, wide.attention + before, 0.0, spot))
    else:
        first_gradients = done + wide.down_gradient if not held else done
        moments.append(
            Moment("backward of the first layer", w, first_gradients, o, own + before, 0.0, wide.feed_forward_spot)
        )
    if fixed.trains_all:
        extra = fixed.embedding_gradient * _embedding_copies(architecture, setting, regime)
        moments.append(Moment("end of backward", w, g, o, 0.0, 0.0, extra + stream))
    moments.append(Moment("optimizer step", w, g, o, 0.0, 0.0, step_bytes(setting.optimizer, g)))
    return moments


def step_tokens(setting: TrainingSetting) -> int:
    """Tokens of one micro-batch: virtual ones are added, preference data comes in pairs, shared ones count once."""
    virtual = setting.virtual_tokens if setting.method in {"prompt-tuning", "p-tuning"} else 0
    pairs = 2 if setting.objective == "preference" else 1
    shared = min(setting.shared, setting.sequence)
    return setting.batch * pairs * (setting.sequence + virtual) - (setting.batch - 1) * shared


def _layers_with_graph(architecture: Architecture, setting: TrainingSetting) -> list[int]:
    """How many layers of each block keep something for the backward pass."""
    if setting.method == "linear-probe":
        return [0] * len(architecture.blocks)
    if setting.method != "partial":
        return [block.count for block in architecture.blocks]
    first = architecture.layers - setting.layers_trained
    return [sum(index >= first for index in block.indices) for block in architecture.blocks]


def _embedding_copies(architecture: Architecture, setting: TrainingSetting, regime: Regime) -> int:
    """How many more gradients of the embedding exist than one while it is computed: a tied one is summed of two."""
    tied = (1 if regime.autocast else 2) if architecture.tied else 0
    return tied + (1 if setting.accumulation > 1 else 0)


def _final_norms(architecture: Architecture, regime: Regime) -> list[float]:
    """Bytes a token that the norms outside the blocks keep."""
    saved: list[float] = []
    for norm in architecture.norms[:1]:
        saved += norm_saved(norm, regime.stream, regime)
    for norm in architecture.norms[1:]:
        saved += norm_saved(norm, regime.weight, regime)
    return saved


def _head_saved(architecture: Architecture, setting: TrainingSetting, regime: Regime) -> list[float]:
    """Bytes that the output layer keeps of each token that goes through it."""
    if architecture.head is None or (setting.trainer == "adapt" and setting.objective == "sft"):
        # The loss in pieces keeps the gradient of its input, which it counts itself.
        return []
    value = norm_output(next(iter(architecture.norms), None), regime.stream, regime)
    return inputs_saved((architecture.head,), value, setting, regime)


def _layer_cost(block: Block, setting: TrainingSetting, regime: Regime, fixed: Fixed, tokens: int) -> LayerCost:
    saved: Saved = block_saved(block, setting, regime)
    value, hidden = regime.product, block.hidden_width
    forward = block.feed_forward
    factors = 3 if forward.gated else 2
    _, output = activation_saved(forward, value, regime)
    widest = factors * forward.width * max(value, output)
    if forward.experts:
        widest = max(widest, forward.top_k * regime.weight * (3 * forward.expert_width + 2 * hidden))
    dequantized = fixed.largest_dequantized
    gradients = block.parameters * regime.weight if fixed.trains_all else 0.0
    down = max((m.weights for m in block.linears if m.role == "down"), default=0) * regime.weight
    return LayerCost(
        layers=block.count,
        constant=merged_expert_bytes(block, setting, regime),
        attention=sum(allocated(tokens * part) for part in saved.attention),
        feed_forward=sum(allocated(tokens * part) for part in saved.feed_forward),
        attention_spot=tokens * _attention_spot(block, setting, regime),
        feed_forward_spot=tokens * (widest + hidden * (regime.stream + value))
        + dequantized
        + largest_expert_gradient(block, setting, regime),
        gradients=gradients,
        down_gradient=down if fixed.trains_all else 0.0,
    )


def _attention_spot(block: Block, setting: TrainingSetting, regime: Regime) -> float:
    """Bytes a token that the backward pass of attention needs on top of what the layer kept."""
    attention, value = block.attention, regime.product
    heads, length = attention.heads, setting.sequence
    q, k = attention.query_width, attention.key_width
    kernel = kernel_of(attention, setting, regime)
    stream = block.hidden_width * regime.stream
    if kernel in {"eager", "math"}:
        # Softmax's backward holds its gradient and its result in fp32; the half-precision scores are already gone.
        return stream + heads * length * 8 + value * (q + 2 * q)
    groups = 2 * value * q if attention.heads != attention.kv_heads and kernel == "flash" else 0
    return stream + value * q + 4 * q + 8 * heads + groups + value * (q + 2 * k)
