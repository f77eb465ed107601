"""Memory of generating or scoring a batch: weights, key-value cache, and the widest moment of the forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from planner.memory.interval import Interval
from planner.memory.regime import HALF
from planner.memory.targets import check_targets, is_target
from planner.memory.weights import four_bit, quantizable

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture, Block, Linear
    from planner.memory.setting import InferenceSetting

#: Bytes a value of each stored format; 4-bit formats add their scales in `weights.py`.
VALUE_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5, "nf4": 0.5}
CONTEXT_BYTES = Interval(300e6, 450e6, 600e6)


@dataclass(frozen=True, slots=True)
class InferenceEstimate:
    """Peak bytes of one device while it generates, with its parts (weights, cache, logits, activations, ...)."""

    allocated_bytes: Interval
    reserved_bytes: Interval
    device_bytes: Interval
    items: dict[str, int]
    cache_bytes_per_token: float
    provenance: str
    assumptions: tuple[str, ...]

    def fits(self, device_bytes: float) -> bool:
        """Whether the high end of everything together fits in a device of that many bytes."""
        return self.device_bytes.high <= device_bytes


def weight_bytes(architecture: Architecture, dtype: str) -> float:
    """Return the bytes of the weights as served: quantized formats keep embeddings, norms and output layer in bf16.

    Args:
        architecture: from `read_architecture`.
        dtype: fp32, bf16, fp16, fp8, int8, int4 or nf4.
    """
    value = VALUE_BYTES[dtype]
    if value >= HALF:
        return architecture.parameters * value
    small = sum(linear.weights * count for linear, count in architecture.matrices() if _served_small(linear))
    rest = (architecture.parameters - small) * 2.0
    if value < 1:
        matrices = [(linear, count) for linear, count in architecture.matrices() if _served_small(linear)]
        return rest + sum(four_bit(linear.weights, double=False) * count for linear, count in matrices)
    scales = sum(
        4.0 * linear.outputs * linear.copies * n for linear, n in architecture.matrices() if _served_small(linear)
    )
    return rest + small * value + scales


def cache_bytes(architecture: Architecture, setting: InferenceSetting) -> float:
    """Return the bytes of the key-value cache for the setting's batch at its full length.

    Sliding-window layers keep at most their window [transformers: DynamicSlidingWindowLayer].
    """
    length = setting.prompt + setting.generated
    total = 0.0
    for block in architecture.blocks:
        attention = block.attention
        width = attention.latent_cache_width if setting.latent_cache else attention.cache_width
        kept = min(length, attention.window) if attention.window else length
        total += block.count * width * kept
    return total * setting.batch * _cache_value(setting)


def estimate_inference(architecture: Architecture, setting: InferenceSetting) -> InferenceEstimate:
    """Return the peak memory of generating with a batch, on one device.

    Args:
        architecture: from `read_architecture`.
        setting: stored dtype, cache, batch in sequences, prompt and generated lengths in tokens.

    Raises:
        EstimateError: when an adapter target names no module of the model.
    """
    weights = weight_bytes(architecture, setting.dtype)
    cache = cache_bytes(architecture, setting)
    value = 4 if setting.dtype == "fp32" else 2
    tokens = setting.batch * setting.prompt
    rows = tokens if setting.logits_kept == "all" else setting.batch
    logits = rows * architecture.vocab * (value + (4 if value == HALF else 0))
    layer = max(_forward_bytes(block, architecture.hidden, value, setting) for block in architecture.blocks)
    adapters = _adapter_bytes(architecture, setting) if setting.adapters else 0.0
    widest = max(tokens * layer, logits)
    expected = weights + cache + adapters + widest
    spread = (0.04, 0.06) if architecture.known else (0.25, 0.6)
    allocated = Interval(int(expected * (1 - spread[0])), int(expected), int(expected * (1 + spread[1])))
    reserved = Interval(
        allocated.low, int(expected + 0.09 * (cache + widest)), int(allocated.high + 0.27 * (cache + widest))
    )
    device = Interval(*(int(a + b) for a, b in zip(reserved, CONTEXT_BYTES, strict=True)))
    items = {
        "weights": int(weights + adapters),
        "cache": int(cache),
        "activations": int(tokens * layer) if widest > logits else 0,
        "logits": int(logits) if widest == logits else 0,
        "fragmentation": int(reserved.expected - allocated.expected),
        "context": int(CONTEXT_BYTES.expected),
    }
    return InferenceEstimate(
        allocated_bytes=allocated,
        reserved_bytes=reserved,
        device_bytes=device,
        items=items,
        cache_bytes_per_token=_cache_token(architecture, setting),
        provenance="closed form" if architecture.known else "guess",
        assumptions=architecture.missing + architecture.notes,
    )


def _served_small(linear: Linear) -> bool:
    return quantizable(linear) or (linear.copies > 1)


def _cache_value(setting: InferenceSetting) -> float:
    # Quantized caches keep a scale and a zero point in bf16 for each 64 values [transformers: QuantizedCache].
    value = VALUE_BYTES[setting.cache_dtype]
    return value + 4 / 64 if setting.cache_dtype in ("int8", "int4") else value


def _cache_token(architecture: Architecture, setting: InferenceSetting) -> float:
    widths = (
        block.count * (block.attention.latent_cache_width if setting.latent_cache else block.attention.cache_width)
        for block in architecture.blocks
    )
    return sum(widths) * _cache_value(setting)


def _forward_bytes(block: Block, hidden: int, value: int, setting: InferenceSetting) -> float:
    """Bytes a prompt token alive at the widest point of one layer: the feed-forward's factors or eager's scores."""
    mixture = block.feed_forward
    width = max(mixture.width, mixture.expert_width * mixture.top_k + mixture.shared_width)
    forward = value * (2 * hidden + (3 if mixture.gated else 2) * width)
    attention = block.attention
    scores = 0.0
    if setting.attention == "eager":
        scores = attention.heads * setting.prompt * (4.0 + 2 * value)
    attend = value * (2 * hidden + 2 * attention.query_width + 2 * attention.key_width) + scores
    return max(forward, attend)


def _adapter_bytes(architecture: Architecture, setting: InferenceSetting) -> float:
    check_targets(architecture, setting.targets)
    values = sum(
        setting.rank * (linear.inputs + linear.outputs) * count
        for linear, count in architecture.matrices()
        if is_target(linear, setting.targets)
    )
    return 2.0 * values * setting.adapters
