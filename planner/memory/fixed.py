"""Bytes of a training step that depend on neither batch nor length: weights, gradients, states, cast copies."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from planner.memory.optimizer import paged_bytes, state_bytes
from planner.memory.parameters import trainable_parameters, trainable_tensors
from planner.memory.regime import ALL_WEIGHTS, FP32, HALF, LOW_RANK, Regime, regime_of
from planner.memory.sharding import Shares, spread
from planner.memory.weights import FOUR_BITS, base_bytes, packed, quantizable

if TYPE_CHECKING:
    from planner.memory.architecture import Architecture
    from planner.memory.parameters import Tensors
    from planner.memory.setting import TrainingSetting


class Fixed(NamedTuple):
    """Bytes (and counts) fixed by model and method, on one device.

    own: the part of the weights that the method adds; layer_casts: bf16 copies that autocast makes of weights and that
    live until their backward; cached_casts: those it keeps until it exits even when layers are checkpointed;
    head_cast: the copy of the output layer; host: what the process keeps in host memory.
    """

    weights: float
    own: float
    gradients: float
    states: float
    layer_casts: float
    cached_casts: float
    head_cast: float
    head_gradient: float
    embedding_gradient: float
    largest_dequantized: float
    host: float
    trainable: int
    trains_all: bool
    frozen_start: bool


def fixed_bytes(architecture: Architecture, setting: TrainingSetting) -> Fixed:
    """Return the fixed bytes of a setting, remembered for every batch and length."""
    key = (
        setting.method, setting.rank, setting.targets, setting.modules_to_save, setting.layers_trained,
        setting.bottleneck, setting.virtual_tokens, setting.labels, setting.precision, setting.base_dtype,
        setting.adapter_dtype, setting.double_quantization, setting.kbit_preparation, setting.optimizer,
        setting.objective, setting.trainer, setting.teacher_parameters, setting.sharding, setting.devices,
        setting.offload,
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
    in_place = trains_all or setting.method in {"partial", "bitfit", "router"}
    value = regime.weight if in_place else regime.adapter
    gradients = packed((part.values * value, part.times) for part in tensors)
    own = 0.0 if in_place else gradients
    weights = base_bytes(architecture, setting, regime) + own + _second_model(architecture, setting, own)
    held = Shares(weights, gradients, state_bytes(setting, tensors, value), paged_bytes(setting, tensors, value))
    shares = spread(setting, held, _largest_unit(architecture, regime), trained=gradients)
    gathered = setting.devices > 1 and setting.sharding in {"zero-3", "fsdp"}
    split = setting.devices if setting.sharding == "tensor-parallel" and setting.devices > 1 else 1
    # Sharded weights are cast as they are gathered, so their copies are the gathered units.
    casts = (0.0, 0.0, 0.0) if gathered else _casts(architecture, setting, regime, tensors)
    layer_casts, cached, head_cast = casts
    head = architecture.head.weights if architecture.head is not None else 0
    table = max((table.parameters for table in architecture.embeddings), default=0)
    matrices = [2.0 * m.weights for m, _ in architecture.matrices() if quantizable(m)]
    return Fixed(
        weights=shares.weights,
        own=own,
        gradients=shares.gradients,
        states=shares.states,
        layer_casts=layer_casts / split,
        cached_casts=cached / split,
        head_cast=head_cast / split,
        head_gradient=float(head * value) / split if trains_all else 0.0,
        embedding_gradient=float(table * value) / split if trains_all else 0.0,
        largest_dequantized=max(matrices, default=0.0) / split if regime.quantized == FOUR_BITS else 0.0,
        host=shares.host,
        trainable=trainable_parameters(architecture, setting),
        trains_all=trains_all,
        frozen_start=not trains_all and not setting.kbit_preparation,
    )


def _casts(
    architecture: Architecture, setting: TrainingSetting, regime: Regime, tensors: list[Tensors]
) -> tuple[float, float, float]:
    """Bytes of autocast's bf16 copies: all that live without checkpointing, those cached, the output layer's."""
    if not regime.autocast:
        return 0.0, 0.0, 0.0
    layers = cached = head = 0.0
    if regime.weight == FP32:
        layers = sum(2.0 * m.weights * n for m, n in architecture.matrices() if m.role != "head" and m.copies == 1)
        cached = layers if regime.trains_all else 0.0
    if regime.norm == FP32 and architecture.head is not None:
        head = 2.0 * architecture.head.weights
    if setting.method in LOW_RANK and regime.adapter == FP32:
        copies = sum(float(HALF * part.values * part.times) for part in tensors)
        layers += copies
        cached += copies
    return layers, cached, head


def _second_model(architecture: Architecture, setting: TrainingSetting, own: float) -> float:
    """Bytes of another model that the objective needs: a frozen reference in bf16 or a teacher in bf16.

    Preference training of adapters switches them off instead of keeping a reference [trl: DPOTrainer]; adapt's
    trainer asks the model itself before the first step.
    """
    if setting.objective == "preference" and own == 0.0 and setting.trainer == "trl":
        return 2.0 * architecture.parameters
    if setting.objective == "distillation":
        return 2.0 * setting.teacher_parameters
    return 0.0


def _largest_unit(architecture: Architecture, regime: Regime) -> float:
    """Bytes of what FSDP gathers at once: the largest layer, or embeddings and output layer."""
    value = HALF if regime.autocast else regime.weight
    layer = max((block.parameters for block in architecture.blocks), default=0)
    outer = sum(m.parameters for m in architecture.small_modules)
    if architecture.head is not None and not architecture.tied:
        outer += architecture.head.parameters
    return float(value * max(layer, outer))
