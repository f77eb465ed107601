"""A teacher writes rows that a student learns from."""

from executors.distill.executor import Distill, DistillParams

__all__ = ["Distill", "DistillParams"]
