"""Preparing a model: from GGUF or a hub to a folder of safetensors."""

from executors.prepare.executor import Prepare, PrepareParams

__all__ = ["Prepare", "PrepareParams"]
