"""Quantization: a model in fewer bits, reloaded and held against the 16-bit one."""

from executors.quantize.executor import Quantize, QuantizeParams
from executors.quantize.reload import Reload, ReloadParams

__all__ = ["Quantize", "QuantizeParams", "Reload", "ReloadParams"]
