"""The review: judges configurations that people wrote for other tools, and our own specs and plans."""

from planner.review.review import review

__all__ = ["review"]
