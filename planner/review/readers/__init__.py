"""Readers of other tools' files, one a tool, and the choice of the right one by the keys that a file has."""

from planner.review.readers.choose import read_configuration, recognise

__all__ = ["read_configuration", "recognise"]
