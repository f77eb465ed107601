"""Merging: an adapter into its base, and whole models into one."""

from executors.merge.executor import Merge, MergeParams
from executors.merge.models import MergeModels
from executors.merge.params import MergeModelsParams

__all__ = ["Merge", "MergeModels", "MergeModelsParams", "MergeParams"]
