"""The machine that a run is on, found without a heavy import."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from executors.contract import Site
from executors.files import free_bytes
from executors.places.environment import usable_cores

if TYPE_CHECKING:
    from planner.documents import HardwareRecord

# Files that a driver makes; asking torch would take seconds.
_DRIVERS = {"cuda": "/dev/nvidiactl", "rocm": "/dev/kfd", "xpu": "/dev/dri/renderD128"}


def this_site(hardware: HardwareRecord, folder: Path) -> Site:
    """This machine as executors need to know it.

    Args:
        hardware: what the plan was made for; its accelerator counts only when its driver is here.
        folder: where the run writes.
    """
    kind = hardware.device.kind
    if not _is_here(kind):
        kind = "cpu"
    memory = hardware.device.memory_bytes if kind != "cpu" else _host_memory_bytes()
    return Site(
        device=kind,
        device_memory_bytes=memory,
        cores=usable_cores(),
        disk_free_bytes=free_bytes(folder),
        devices=_count(kind, hardware),
    )


def _count(kind: str, hardware: HardwareRecord) -> int:
    """Devices that a process may use; where the system does not list them, as many as the plan was made for."""
    if kind == "cpu":
        return usable_cores()
    if kind != "cuda":
        return hardware.device.count
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    there = sum(item.name.removeprefix("nvidia").isdecimal() for item in Path("/dev").glob("nvidia*"))
    return there if chosen is None else min(there, len([name for name in chosen.split(",") if name.strip()]))


def _is_here(kind: str) -> bool:
    if kind == "mps":
        return platform.system() == "Darwin" and platform.machine() == "arm64"
    return kind == "cpu" or (kind in _DRIVERS and Path(_DRIVERS[kind]).exists())


def _host_memory_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
