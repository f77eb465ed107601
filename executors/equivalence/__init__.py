"""Equivalence: what is served held against what was measured, on the same prompts and the same answers."""

from executors.equivalence.executor import Equivalence, EquivalenceParams

__all__ = ["Equivalence", "EquivalenceParams"]
