"""What a process used: time and memory, from the kernel's own counters."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

_KIB = 1024


def cpu_s() -> float:
    """CPU seconds of this process and of its finished helpers."""
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    )


def peak_memory_bytes() -> int:
    """Highest resident memory of this process so far, in bytes."""
    try:
        # getrusage counts the parent's memory too, from before the program was started.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * _KIB
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * _KIB


def memory_kills() -> int:
    """How many processes the kernel killed for lack of memory since it started; 0 where it does not say."""
    try:
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    except OSError:
        pass
    return 0
