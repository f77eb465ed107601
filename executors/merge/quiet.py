"""mergekit without its complaints, and without a second that its import can do without."""

from __future__ import annotations

import gc
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def quiet() -> Iterator[None]:
    """Hide that mergekit uses names of numpy, torch and transformers that are on their way out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning)
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        yield


def import_mergekit() -> None:
    """Import mergekit with all that it needs, torch and transformers among it.

    The four thousand modules are there to stay: the collector, which would look at them again and again while they
    come, pauses. That is a quarter of the CPU time of the import.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        with quiet():
            import mergekit.merge  # noqa: F401
    finally:
        if collects:
            gc.enable()
