"""Linear layers on weights packed for the vector units of this CPU, while answers are generated.

Of a step of a small batch, the products of linear layers take four fifths. oneDNN, which torch carries, multiplies
packed weights two to three times faster in fp32 than the layers do by themselves, which leave half of the vector units
of some CPUs unused. What is computed is the same but for rounding.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import torch
from transformers.pytorch_utils import Conv1D

from executors.usage import memory_limit_bytes

if TYPE_CHECKING:
    from collections.abc import Iterator

# Of the memory that is free: the cache of the batch has to fit as well.
SHARE = 0.5


@contextmanager
def packed_linears(model: Any, kept: dict[Any, Any] | None = None) -> Iterator[None]:
    """Within, linear layers of the model compute by oneDNN, on packed copies of their weights where memory holds them.

    Left as they are: layers on other devices, quantized ones, those of other classes or with a forward of their own.
    Nothing can be trained within.

    Args:
        model: whatever has linear layers.
        kept: the copies by layer, for who asks a model again whose weights stay as they are: packing them takes
            seconds. Filled on the first use.
    """
    found = {layer: weight for layer in model.modules() if (weight := _weight(layer)) is not None}
    known = {} if kept is None else kept
    fits = sum(weight.nbytes for layer, weight in found.items() if layer not in known) <= SHARE * _free_bytes()
    try:
        for layer, weight in found.items():
            if fits and layer not in known:
                known[layer] = torch.ops.mkldnn._reorder_linear_weight(weight)
            layer.forward = _Product(known.get(layer, weight), layer.bias)
        yield
    finally:
        for layer in found:
            vars(layer).pop("forward", None)


class _Product:
    def __init__(self, weight: Any, bias: Any | None) -> None:
        self.weight, self.bias = weight, bias

    def __call__(self, x: Any) -> Any:
        return torch.ops.mkldnn._linear_pointwise(x, self.weight, self.bias, "none", [], "")


def _weight(layer: Any) -> Any | None:
    """The weight of a layer that oneDNN can compute, of shape [outputs, inputs]."""
    if type(layer) not in (torch.nn.Linear, Conv1D) or "forward" in vars(layer):
        return None
    weight = layer.weight.data
    # Quantized weights come as subclasses of tensors.
    if type(weight) is not torch.Tensor or weight.device.type != "cpu" or weight.dtype not in _dtypes():
        return None
    return weight if type(layer) is torch.nn.Linear else weight.t()


def _dtypes() -> tuple[Any, ...]:
    ops = torch.ops.mkldnn
    if not torch.backends.mkldnn.is_available() or not hasattr(ops, "_linear_pointwise"):
        return ()
    return (torch.float32, torch.bfloat16) if ops._is_mkldnn_bf16_supported() else (torch.float32,)


def _free_bytes() -> int:
    """Memory that this process can still take, within the limit of its container."""
    own: int = psutil.Process().memory_info().rss
    free: int = psutil.virtual_memory().available
    return min(free, memory_limit_bytes() - own)
