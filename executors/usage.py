"""What a process used: time and memory, from the kernel's own counters."""

from __future__ import annotations

import os
import resource
import sys
from contextlib import suppress
from pathlib import Path

_KIB = 1024
_KILLS = (Path("/proc/vmstat"), Path("/sys/fs/cgroup/memory.events"))
_LIMIT = Path("/sys/fs/cgroup/memory.max")


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


def memory_kills() -> int | None:
    """How many processes the kernel killed for lack of memory since it started; None where it does not say."""
    counts = [found for path in _KILLS if (found := _counter(path, "oom_kill")) is not None]
    return sum(counts) if counts else None


def memory_limit_bytes() -> int:
    """Main memory that processes may hold here: that of the machine, or less where a container has a limit."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    with suppress(OSError, ValueError):  # no such file, or `max`: no limit
        limits.append(int(_LIMIT.read_text()))
    return min(limits)


def _counter(path: Path, name: str) -> int | None:
    try:
        lines = path.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), None)
