"""Merging an adapter into its base."""

from executors.merge.executor import Merge, MergeParams

__all__ = ["Merge", "MergeParams"]
