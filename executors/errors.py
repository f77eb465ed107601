"""The class of an error, shared by all executors: it decides whether and how a step is tried again."""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

from pydantic import ValidationError

from planner.documents import AdaptError

if TYPE_CHECKING:
    from planner.documents.events import ErrorClass

# torch names its errors; looking for names keeps it out of processes that do not compute.
OOM_NAMES = {"MemoryError", "OutOfMemoryError"}
OOM_TEXTS = ("out of memory", "defaultcpuallocator", "not enough memory", "cannot allocate memory")
ALLOCATION = re.compile(r"[Tt]ried to allocate ([\d.]+) (bytes|[KMGT]iB)")
DEVICE_WORDS = ("cuda", "hip", "xpu", "mps")
CODES: dict[str, ErrorClass] = {"DATA": "data", "RUN": "infrastructure"}
DEVICE_TEXTS = ("cuda error", "hip error", "nccl", "device-side assert")
PLACE_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.ESTALE, errno.EMFILE, errno.ENFILE}


def classify(error: BaseException) -> ErrorClass:
    """The class of an error, by its type first and its text where the type says nothing.

    Errors of ours are the fault of what was given: `data` when their code starts with DATA, else `config`; only those
    of the engine (RUN) tell of the machine.
    """
    for cause in _chain(error):
        found = _by_kind(cause)
        if found:
            return found
    return "bug"


def out_of_memory(error: BaseException) -> str:
    """A sentence for an error of class `oom`: whose memory ran out, and how much more was asked for."""
    text = str(error)
    whose = "The device's memory" if any(word in text.lower() for word in DEVICE_WORDS) else "Memory"
    asked = ALLOCATION.search(text)
    if asked is None:
        return f"{whose} ran out."
    amount = f"{int(asked[1]) / 10**6:,.0f} MB" if asked[2] == "bytes" else f"{asked[1]} {asked[2]}"
    return f"{whose} ran out when {amount} more were asked for."


def _by_kind(error: BaseException) -> ErrorClass | None:
    if isinstance(error, AdaptError):
        codes = [finding.code for finding in error.findings]
        return next((word for start, word in CODES.items() if any(code.startswith(start) for code in codes)), "config")
    if isinstance(error, RuntimeError | OSError | MemoryError):
        return _by_machine(error)
    table: dict[ErrorClass, tuple[type[BaseException], ...]] = {
        "nan": (FloatingPointError,),
        "preempted": (KeyboardInterrupt, SystemExit),
        "config": (ValidationError,),
    }
    return next((word for word, kinds in table.items() if isinstance(error, kinds)), None)


def _by_machine(error: RuntimeError | OSError | MemoryError) -> ErrorClass | None:
    """`oom` or `infrastructure`, for errors that memory, disk, network or device cause."""
    text = str(error).lower()
    number = error.errno if isinstance(error, OSError) else None
    named = {kind.__name__ for kind in type(error).__mro__} & OOM_NAMES
    if named or number == errno.ENOMEM or any(part in text for part in OOM_TEXTS):
        return "oom"
    if isinstance(error, ConnectionError | TimeoutError) or number in PLACE_ERRNOS:
        return "infrastructure"
    return "infrastructure" if any(part in text for part in DEVICE_TEXTS) else None


def _chain(error: BaseException) -> list[BaseException]:
    """The error and what it was raised from, the deepest last."""
    found: list[BaseException] = []
    current: BaseException | None = error
    while current is not None and current not in found:
        found.append(current)
        current = current.__cause__
    return found
