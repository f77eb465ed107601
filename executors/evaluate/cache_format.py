"""How the keys and values of a cache are kept: as they come, or in fewer bits, token by token and head by head."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch

if TYPE_CHECKING:
    from executors.quantized import KvCache

FP8 = torch.float8_e4m3fn
# How whole numbers are stored, the least and the most.
SIGNED, UNSIGNED = (torch.int8, -127, 127), (torch.uint8, 0, 15)
# Values that share a scale in 4 bits.
GROUP = 32


class Format(Protocol):
    """A way to keep values of shape [rows, heads, columns, dim]. Each column is rounded by itself: any can follow."""

    def parts(self, values: Any) -> tuple[Any, ...]:
        """What is kept of values: tensors of shape [rows, heads, columns, ...]."""

    def values(self, parts: tuple[Any, ...], dtype: Any) -> Any:
        """The values again, in a data type; no copy where they were kept as they came."""


class AsTheyCome:
    """Nothing is rounded."""

    def parts(self, values: Any) -> tuple[Any, ...]:
        """See `Format`."""
        return (values,)

    def values(self, parts: tuple[Any, ...], dtype: Any) -> Any:  # noqa: ARG002
        """See `Format`."""
        return parts[0]


class Fp8:
    """8-bit floats without a scale, as vLLM keeps `fp8` of a model that brings none [vllm-docs]."""

    def parts(self, values: Any) -> tuple[Any, ...]:
        """See `Format`."""
        most = torch.finfo(FP8).max
        # As bytes, which every device can copy from place to place.
        return (values.clamp(-most, most).to(FP8).view(torch.uint8),)

    def values(self, parts: tuple[Any, ...], dtype: Any) -> Any:
        """See `Format`."""
        return parts[0].view(FP8).to(dtype)


@dataclass(frozen=True)
class Int8:
    """8-bit numbers with one scale a token and head, as vLLM keeps `int8_per_token_head` [vllm-docs]."""

    def parts(self, values: Any) -> tuple[Any, ...]:
        """See `Format`."""
        from torchao.quantization.quant_primitives import MappingType, choose_qparams_affine, quantize_affine

        # In 16 bits the quotients themselves would be rounded.
        values, block = values.float(), (1, 1, 1, values.shape[-1])
        scale, zero = choose_qparams_affine(
            values, MappingType.SYMMETRIC, block, *SIGNED, zero_point_dtype=torch.int8, keepdim=True
        )
        return quantize_affine(values, block, scale, zero, *SIGNED), scale

    def values(self, parts: tuple[Any, ...], dtype: Any) -> Any:
        """See `Format`."""
        from torchao.quantization.quant_primitives import dequantize_affine

        numbers, scale = parts
        block = (1, 1, 1, numbers.shape[-1])
        return dequantize_affine(numbers, block, scale, None, *SIGNED, output_dtype=dtype)


class Int4:
    """4-bit numbers, two in a byte, with a scale and a zero point for each 32 values of a head."""

    def parts(self, values: Any) -> tuple[Any, ...]:
        """See `Format`."""
        from torchao.quantization.quant_primitives import MappingType, choose_qparams_affine, quantize_affine

        values, block = values.float(), (1, 1, 1, math.gcd(values.shape[-1], GROUP))
        scale, zero = choose_qparams_affine(
            values, MappingType.ASYMMETRIC, block, *UNSIGNED, zero_point_dtype=torch.uint8, keepdim=True
        )
        numbers = quantize_affine(values, block, scale, zero, *UNSIGNED)
        return numbers[..., ::2] | numbers[..., 1::2] << 4, scale, zero

    def values(self, parts: tuple[Any, ...], dtype: Any) -> Any:
        """See `Format`."""
        from torchao.quantization.quant_primitives import dequantize_affine

        packed, scale, zero = parts
        numbers = torch.stack((packed & 15, packed >> 4), dim=-1).flatten(-2)
        block = (1, 1, 1, numbers.shape[-1] // scale.shape[-1])
        return dequantize_affine(numbers, block, scale, zero, *UNSIGNED, output_dtype=dtype)


FORMATS: dict[KvCache, Format] = {"16-bit": AsTheyCome(), "fp8": Fp8(), "int8": Int8(), "int4": Int4()}
