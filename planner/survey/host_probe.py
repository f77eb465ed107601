"""What the machine itself offers: cores, CPU features, main memory, disk; bounded by the control group."""

from __future__ import annotations

import os
import platform
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
# Totals are rounded down so that a kernel update or a page more or less does not make another plan.
MEMORY_STEP_BYTES = 64 * 2**20
# Above this a cgroup's limit means that there is none.
NO_LIMIT_BYTES = 2**60
X86_FEATURES = ("amx_bf16", "avx2", "avx512_bf16", "avx512f")
ARM_FEATURES = ("asimd", "bf16", "i8mm", "sve")
BF16_FEATURES = frozenset({"amx_bf16", "avx512_bf16", "bf16"})
MAX_DISK_BYTES = 2**40


@dataclass(frozen=True, slots=True)
class Host:
    """The machine that the process runs on; None is unknown."""

    name: str
    features: tuple[str, ...]
    bf16: bool | None
    cores: int | None
    memory_bytes: int | None
    key: str | None
    """Key of the CPU's class in the device catalog."""


def probe_host() -> Host:
    """The CPU and memory that this process may use."""
    name, features = parse_cpuinfo(_read(Path("/proc/cpuinfo")))
    system, machine = platform.system(), platform.machine().lower()
    known = bool(features) or bool(name)
    if not name:
        name = f"{system} {machine} CPU".strip() or "CPU"
    return Host(
        name=name,
        features=features,
        bf16=bool(BF16_FEATURES & set(features)) if known else None,
        cores=_cores(),
        memory_bytes=_memory(),
        key=_class_of(features),
    )


def parse_cpuinfo(text: str) -> tuple[str, tuple[str, ...]]:
    """The CPU's name and the features that matter here, from /proc/cpuinfo; its first processor speaks for all."""
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    flags = re.search(r"^(flags|Features)\s*:\s*(.+)$", text, re.MULTILINE)
    words = set(flags[2].split()) if flags else set()
    wanted = X86_FEATURES if flags and flags[1] == "flags" else ARM_FEATURES
    return (" ".join(name[1].split()) if name else ""), tuple(sorted(words & set(wanted)))


def parse_meminfo(text: str) -> int | None:
    """Main memory in bytes, from /proc/meminfo."""
    match = re.search(r"^MemTotal:\s*(\d+) kB$", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def parse_quota(text: str, period: str = "") -> int | None:
    """Whole cores of a CPU quota: `200000 100000` (cgroup 2) or quota and period apart (cgroup 1); None is no limit."""
    words = [*text.split(), *period.split()]
    try:
        quota, length = int(words[0]), int(words[1])
    except (IndexError, ValueError):
        return None
    return max(1, quota // length) if quota > 0 and length > 0 else None


def free_disk(folder: Path) -> int | None:
    """Free disk where a folder lies, rounded down to a power of two, at most 1 TiB, in bytes.

    Free space changes by the minute: only its magnitude may stand in a plan, so that two plans are alike.
    """
    here = folder.absolute()
    while not here.exists() and here != here.parent:
        here = here.parent
    try:
        free = shutil.disk_usage(here).free
    except OSError:
        return None
    return min(2 ** (free.bit_length() - 1), MAX_DISK_BYTES) if free > 0 else 0


def _class_of(features: tuple[str, ...]) -> str | None:
    for feature, key in (
        ("amx_bf16", "cpu-x86-amx"),
        ("avx512_bf16", "cpu-x86-avx512-bf16"),
        ("avx512f", "cpu-x86-avx512"),
        ("avx2", "cpu-x86-avx2"),
        ("bf16", "cpu-arm-bf16"),
    ):
        if feature in features:
            return key
    return "cpu"


def _cores() -> int | None:
    try:
        allowed: int | None = len(os.sched_getaffinity(0))
    except AttributeError:
        allowed = os.cpu_count()
    limits = [parse_quota(_read(folder / "cpu.max")) for folder in _groups("")]
    limits += [
        parse_quota(_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us"))
        for folder in _groups("cpu")
    ]
    known = [limit for limit in (*limits, allowed) if limit is not None]
    return min(known) if known else None


def _memory() -> int | None:
    total = parse_meminfo(_read(Path("/proc/meminfo")))
    if total is None:
        try:
            total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, ValueError, OSError):
            return None
    words = [_read(folder / "memory.max") for folder in _groups("")]
    words += [_read(folder / "memory.limit_in_bytes") for folder in _groups("memory")]
    limits = [int(word) for word in map(str.strip, words) if word.isdecimal() and 0 < int(word) < NO_LIMIT_BYTES]
    return min([total, *limits]) // MEMORY_STEP_BYTES * MEMORY_STEP_BYTES


def _groups(controller: str) -> list[Path]:
    """The folders of the process's control group and of all groups above it; `` is cgroup 2."""
    folders = []
    for line in _read(Path("/proc/self/cgroup")).splitlines():
        _, names, path = [*line.split(":", 2), "", ""][:3]
        if controller in names.split(","):
            here = Path(path.strip("/"))
            folders += [CGROUP / controller / part for part in (here, *here.parents)]
    # Inside a container the group's own folder is often mounted as the root.
    return list(dict.fromkeys([*folders, CGROUP / controller]))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return stream.read(65536).decode("utf-8", "replace")
    except (OSError, ValueError):
        return ""
