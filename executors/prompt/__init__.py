"""Prompts: making them, and rendering them for a model."""

from executors.prompt.executor import Prompt, PromptParams

__all__ = ["Prompt", "PromptParams"]
