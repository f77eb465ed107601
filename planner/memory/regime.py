"""Which dtype each thing has under a setting: weights, residual stream, matrix products, adapters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from planner.memory.setting import TrainingSetting

#: Bytes a value in single and in half precision.
FP32, HALF = 4, 2
#: Methods that put low-rank pairs beside frozen matrices.
LOW_RANK = frozenset({"lora", "qlora", "lora-8bit", "dora"})
#: Methods whose base is held in 4 or 8 bits.
QUANTIZED = {"qlora": 4, "lora-8bit": 8}
#: Methods that train every weight of the model.
ALL_WEIGHTS = frozenset({"full", "galore"})


class Regime(NamedTuple):
    """Bytes a value of each kind, and what trains.

    weight: loaded weights; norm: scales of norms; stream: residual stream; product: outputs of matrix products;
    adapter: adapter weights; autocast: products run in bf16 whatever the weights are; trains_all: all weights train.
    """

    weight: int
    norm: int
    stream: int
    product: int
    adapter: int
    autocast: bool
    trains_all: bool
    quantized: int


def regime_of(setting: TrainingSetting, *, layer_norm: bool = False, embedding_norm: bool = False) -> Regime:
    """Derive the dtypes from a setting, as transformers, peft and autocast choose them.

    Args:
        setting: what is trained and how.
        layer_norm: the model normalises with torch's LayerNorm, which autocast runs and answers in fp32; layers of
            bitsandbytes answer in the dtype they are given, so the residual stream becomes fp32 too.
        embedding_norm: that norm comes before the first block, so the stream is fp32 from the start.
    """
    trains_all = setting.method in ALL_WEIGHTS
    master = setting.base_dtype or ("fp32" if setting.precision == "fp32" else None)
    if master is None:
        master = "fp32" if setting.precision == "amp" and setting.method in {"full", "partial", "bitfit"} else "bf16"
    weight = 4 if master == "fp32" else 2
    prepared = setting.kbit_preparation and setting.method in QUANTIZED
    norm = 4 if prepared else weight
    autocast = setting.precision == "amp"
    return Regime(
        weight=weight,
        norm=norm,
        stream=FP32 if autocast and (embedding_norm or (layer_norm and setting.method in QUANTIZED)) else norm,
        product=2 if autocast else weight,
        adapter=4 if setting.adapter_dtype == "fp32" else 2,
        autocast=autocast,
        trains_all=trains_all,
        quantized=QUANTIZED.get(setting.method, 0),
    )
