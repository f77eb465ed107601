"""Files of gptqmodel in the format of compressed-tensors: the same numbers, packed along the other side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from compressed_tensors.compressors.pack_quantized.helpers import pack_to_int32
from compressed_tensors.quantization import QuantizationArgs, QuantizationConfig, QuantizationScheme

from planner.documents import RunError

if TYPE_CHECKING:
    from collections.abc import Mapping

BITS = 4
FORMAT = "pack-quantized"
_STORED = ("qweight", "qzeros", "scales", "g_idx")


class FromGptq:
    """A converter for `compressed_tensors.entrypoints.convert.convert_checkpoint`."""

    def __init__(self, group: int, whole: list[str]) -> None:
        """Convert layers whose weights share a scale in groups of `group`; layers named in `whole` are not rounded."""
        self.group = group
        self.whole = whole

    def process(self, tensors: dict[str, Any]) -> dict[str, Any]:
        """The tensors of a file, converted.

        Raises:
            RunError: weights were rounded asymmetrically, or in another order.
        """
        layers = [name.removesuffix(".qweight") for name in tensors if name.endswith(".qweight")]
        found = {name: value for name, value in tensors.items() if name.rpartition(".")[2] not in _STORED}
        for layer in layers:
            weight = unpacked({name: tensors[f"{layer}.{name}"] for name in _STORED}, self.group, layer)
            found[f"{layer}.weight_packed"] = pack_to_int32(weight, BITS)
            found[f"{layer}.weight_scale"] = tensors[f"{layer}.scales"].T.contiguous()
            found[f"{layer}.weight_shape"] = torch.tensor(weight.shape)
        return found

    def validate(self, tensors: dict[str, Any]) -> dict[str, Any]:
        """Nothing: what is asked of the files is asked of their numbers."""
        return tensors

    def update_config(self, config: Any) -> Any:
        """How the weights are stored; gptqmodel's own word for it goes."""
        del config
        weights = QuantizationArgs(num_bits=BITS, type="int", symmetric=True, strategy="group", group_size=self.group)
        scheme = QuantizationScheme(targets=["Linear"], weights=weights, format=FORMAT)
        return QuantizationConfig(
            config_groups={"group_0": scheme}, ignore=self.whole, format=FORMAT, quantization_status="compressed"
        )

    def update_model_config(self, model_config: dict[str, Any]) -> dict[str, Any]:
        """The model's own settings stay."""
        return model_config

    def get_dependencies(self, weight_name: str) -> set[str]:
        """A layer's tensors are converted together."""
        layer, _, last = weight_name.rpartition(".")
        return {f"{layer}.{name}" for name in _STORED[1:]} if last == _STORED[0] else set()


def unpacked(stored: Mapping[str, Any], group: int, layer: str) -> Any:
    """A layer's weights as numbers from -8 to 7, outputs by inputs.

    Raises:
        RunError: they were rounded asymmetrically, or in another order.
    """
    middle, mask = 2 ** (BITS - 1), 2**BITS - 1
    shifts = torch.arange(0, 32, BITS, dtype=torch.int32)
    zeros = (stored["qzeros"][..., None] >> shifts) & mask
    order = torch.arange(stored["g_idx"].numel()) // group
    # gptqmodel stores the zero less one.
    if not bool((zeros == middle - 1).all()) or not torch.equal(stored["g_idx"].long(), order):
        message = f"gptqmodel rounded {layer} asymmetrically or in another order than was asked for."
        raise RunError.one("QUANT024", message, "Choose another method of quantization.")
    rows = (stored["qweight"][:, None, :] >> shifts[None, :, None]) & mask
    return (rows.flatten(0, 1) - middle).to(torch.int8).T.contiguous()
