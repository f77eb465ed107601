"""Search: prompts tried against each other on rows to choose on, the bad ones for little."""

from executors.search.executor import PromptSearch, PromptSearchParams

__all__ = ["PromptSearch", "PromptSearchParams"]
