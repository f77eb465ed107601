"""The command line of adapt."""

from adapt.cli.main import main

__all__ = ["main"]
