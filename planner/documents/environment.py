"""Environments of their own: libraries that exclude each other, or what is installed beside them, pinned."""

from __future__ import annotations

from planner.documents.base import ReadAhead, digest

_DIGITS = 12


class Environment(ReadAhead):
    """A virtual environment that a step runs in."""

    name: str
    installs: tuple[tuple[str, ...], ...]
    """What `pip install` is given, one call after the other: what a build needs stands in an earlier call."""
    modules: tuple[str, ...]
    """Modules that must import in it before it counts as made."""

    @property
    def folder(self) -> str:
        """Its folder's name, which tells all of it: another pin is another environment."""
        return f"{self.name}-{digest(self.to_json()).removeprefix('sha256:')[:_DIGITS]}"


# torch goes first and by its exact version: a range would fetch another build.
_TORCH = ("torch==2.13.0",)
# What the worker itself imports.
_WORKER = "pydantic==2.14.3"
LLM_COMPRESSOR = Environment(
    name="llm-compressor",
    installs=(
        _TORCH,
        (
            "llmcompressor==0.14.0",
            "compressed-tensors==0.19.0",
            "transformers==5.17.0",
            "tokenizers==0.23.3",
            "accelerate==1.15.0",
            "datasets==5.0.1",
            "safetensors==0.8.0",
            "numpy==2.4.6",
            _WORKER,
        ),
    ),
    modules=("llmcompressor", "pydantic"),
)
GPTQMODEL = Environment(
    name="gptqmodel",
    installs=(
        _TORCH,
        ("numpy==2.2.6", "setuptools", "wheel"),
        (
            "--no-build-isolation",
            "gptqmodel==7.6.0",
            "compressed-tensors==0.19.0",
            "transformers==5.23.0",
            "tokenizers==0.23.3",
            "accelerate==1.15.0",
            "datasets==5.2.0",
            "safetensors==0.8.0",
            "numpy==2.2.6",
            _WORKER,
        ),
    ),
    modules=("gptqmodel", "compressed_tensors", "pydantic"),
)
