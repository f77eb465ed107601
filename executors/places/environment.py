"""The environment of a worker on this machine, set before any library reads it."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE")
_QUIET = {
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "PYTHONHASHSEED": "0",
    "PYTHONUNBUFFERED": "1",
}
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def worker_environment(user: Mapping[str, str], *, offline: bool) -> dict[str, str]:
    """The variables that a worker gets, as far as the user has not set them.

    Threads follow the cores that this process may use, and not the load of the moment: another number of threads sums
    in another order, and the same plan would no longer give the same bytes.

    Args:
        user: the environment that `adapt` was started in.
        offline: whether libraries must not ask the network.
    """
    wanted = dict(_QUIET) | dict.fromkeys(_THREADS, user.get("OMP_NUM_THREADS", str(usable_cores())))
    if offline:
        wanted |= dict.fromkeys(_OFFLINE, "1")
    return {name: value for name, value in wanted.items() if name not in user}


def shared_out(environment: Mapping[str, str], processes: int) -> dict[str, str]:
    """The same variables for each of several processes: they share the threads; those of the user stay."""
    shared = {name: str(max(1, int(environment[name]) // processes)) for name in _THREADS if name in environment}
    return {**environment, **shared}


def usable_cores() -> int:
    """CPU cores that this process may use: its affinity, and the quota of its container where there is one."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity is not None else os.cpu_count() or 1
    return max(1, min(cores, _quota(cores)))


def _quota(cores: int) -> int:
    try:
        quota, period = _CPU_QUOTA.read_text().split()
        return math.ceil(int(quota) / int(period))
    except (OSError, ValueError):  # no such file, or `max`: no quota
        return cores
