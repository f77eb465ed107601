"""Bytes of a training step that depend on neither batch nor length: weights, gradients, states, cast copies."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from planner.memory.optimizer import state_bytes
from planner.memory.parameters import trainable_parameters, trainable_tensors
from planner.memory.regime import ALL_WEIGHTS, FP32, LOW_RANK, regime_of
from planner.memory.weights import FOUR_BITS, allocated, base_bytes, quantizable

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.setting import TrainingSetting

#: Fields of a setting that change nothing here; the cache ignores them.
_VARYING = {"batch": 1, "sequence": 1, "accumulation": 1, "checkpointing": True, "padding_mask": False}


class Fixed(NamedTuple):
    """Bytes (and counts) fixed by model and method.

    layer_casts: bf16 copies that autocast makes of weights and that live until their backward; cached_casts: those it
    keeps until it exits even when layers are checkpointed; head_cast: the copy of the output layer.
    """

    weights: float
    gradients: float
    states: float
    layer_casts: float
    cached_casts: float
    head_cast: float
    head_gradient: float
    embedding_gradient: float
    largest_dequantized: float
    trainable: int
    trains_all: bool
    frozen_start: bool


def fixed_bytes(architecture: Architecture, setting: TrainingSetting) -> Fixed:
    """Return the fixed bytes of a setting, remembered for every batch and length."""
    key = (
        setting.method, setting.rank, setting.targets, setting.modules_to_save, setting.layers_trained, setting.bottleneck,
        setting.virtual_tokens, setting.precision, setting.base_dtype, setting.adapter_dtype, setting.double_quantization,
        setting.kbit_preparation, setting.optimizer,
    )  # fmt: skip
    return _fixed(architecture, key, _Carrier(setting))


class _Carrier:
    """Carries a setting past the cache's key: all carriers are equal, since the key already tells them apart."""

    def __init__(self, setting: TrainingSetting):
        self.setting = setting

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Carrier)

    def __hash__(self) -> int:
        return 0


@lru_cache(maxsize=4096)
def _fixed(architecture: Architecture, _key: tuple[object, ...], carrier: _Carrier) -> Fixed:
    setting = carrier.setting
    regime = regime_of(setting)
    tensors = trainable_tensors(architecture, setting)
    trains_all = setting.method in ALL_WEIGHTS
    value = regime.weight if trains_all else regime.adapter
    gradients = sum(count * allocated(n * value) for n, count in tensors)
    head = architecture.head
    head_weights = head.weights if head is not None else 0
    layer_casts = cached = head_cast = 0.0
    if regime.autocast:
        if regime.weight == FP32:
            inner = sum(2.0 * m.weights * n for m, n in architecture.matrices() if m.role != "head" and m.copies == 1)
            layer_casts += inner
            cached += inner if trains_all else 0.0
        if regime.norm == FP32:
            head_cast = 2.0 * head_weights
        if setting.method in LOW_RANK and regime.adapter == FP32:
            copies = sum(2.0 * n * count for n, count in tensors)
            layer_casts += copies
            cached += copies
    quantized = regime.quantized == FOUR_BITS
    dequantized = max((2.0 * m.weights for m, _ in architecture.matrices() if quantizable(m)), default=0.0)
    table = max((table.parameters for table in architecture.embeddings), default=0)
    return Fixed(
        weights=base_bytes(architecture, setting, regime) + (0.0 if trains_all else gradients),
        gradients=gradients,
        states=state_bytes(setting.optimizer, tensors, value),
        layer_casts=layer_casts,
        cached_casts=cached,
        head_cast=head_cast,
        head_gradient=float(head_weights * value) if trains_all else 0.0,
        embedding_gradient=float(table * value) if trains_all else 0.0,
        largest_dequantized=dequantized if quantized else 0.0,
        trainable=trainable_parameters(architecture, setting),
        trains_all=trains_all,
        frozen_start=not trains_all and not setting.kbit_preparation,
    )
