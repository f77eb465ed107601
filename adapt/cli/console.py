"""Where output goes: answers to standard output, everything else to standard error."""

from __future__ import annotations

import os
import sys
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 160


@cache
def out() -> Console:
    """Standard output."""
    return _console(is_err=False)


@cache
def err() -> Console:
    """Standard error."""
    return _console(is_err=True)


def _console(*, is_err: bool) -> Console:
    from rich.console import Console

    stream = sys.stderr if is_err else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDTH_WITHOUT_TERMINAL
    # Paths and messages may hold brackets: what is styled is styled as Text.
    return Console(stderr=is_err, width=width, soft_wrap=False, highlight=False, markup=False)
