"""Finds accelerators by asking the vendors' own tools; parsing is apart, so that recorded answers can be tested."""

from __future__ import annotations

import csv
import json
import os
import platform
import re
import shutil
import subprocess
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMEOUT_S = 5.0
MIB = 2**20
NVIDIA_FIELDS = "index,uuid,name,memory.total,compute_cap,mig.mode.current"
# Drivers before 510 do not know compute_cap and refuse the whole question.
NVIDIA_OLD_FIELDS = "index,uuid,name,memory.total"


@dataclass(frozen=True, slots=True)
class Found:
    """One accelerator as its tool describes it; None is unknown."""

    kind: Literal["cuda", "rocm", "mps"]
    name: str
    memory_bytes: int | None
    index: int = 0
    uuid: str = ""
    capability: str | None = None
    """CUDA compute capability, or AMD's gfx target."""
    partition: str | None = None
    """Profile of a MIG slice, such as `1g.10gb`."""


def probe_accelerators() -> tuple[tuple[Found, int], ...]:
    """The accelerators that this process may use, alike ones counted together; asked once a process."""
    names = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "PATH")
    return _probe(tuple(os.environ.get(name) for name in names))


@lru_cache(maxsize=8)
def _probe(environment: tuple[str | None, ...]) -> tuple[tuple[Found, int], ...]:
    cuda, hip, rocr, _ = environment
    found = visible(_nvidia(), cuda)
    # AMD's libraries read NVIDIA's variable as well when theirs are not set.
    found = found or visible(_amd(), next((each for each in (hip, rocr, cuda) if each is not None), None))
    return grouped(found or _apple())


def grouped(found: Sequence[Found]) -> tuple[tuple[Found, int], ...]:
    """Alike devices with their count, the most memory first."""
    kinds = Counter(
        Found(each.kind, each.name, each.memory_bytes, capability=each.capability, partition=each.partition)
        for each in found
    )
    return tuple(sorted(kinds.items(), key=lambda item: (-(item[0].memory_bytes or 0), item[0].name)))


def visible(found: Sequence[Found], variable: str | None) -> list[Found]:
    """The devices that a *_VISIBLE_DEVICES variable leaves: indices or UUIDs; the first unknown entry ends the list."""
    if variable is None:
        return list(found)
    kept: list[Found] = []
    for word in (part.strip() for part in variable.split(",")):
        if word.isdecimal():
            match = [each for each in found if each.index == int(word) and each.partition is None]
            match = match or [each for each in found if each.index == int(word)][:1]
        else:
            match = [each for each in found if word and each.uuid.startswith(word)][:1]
        if not match:
            break
        kept += [each for each in match if each not in kept]
    return kept


def parse_nvidia(text: str, listing: str = "") -> list[Found]:
    """Devices from `nvidia-smi --query-gpu=... --format=csv,noheader,nounits`, and MIG slices from `nvidia-smi -L`.

    A device in MIG mode cannot be used whole: its slices stand for it.
    """
    slices = _slices(listing)
    found = []
    for row in csv.reader(text.splitlines(), skipinitialspace=True):
        if len(row) < 4 or not row[0].strip().isdecimal():  # noqa: PLR2004 - the four fields of old drivers
            continue
        index, uuid, name, memory, *rest = (cell.strip() for cell in row)
        capability = rest[0] if rest and re.fullmatch(r"\d+\.\d+", rest[0]) else None
        total = int(memory) * MIB if memory.isdecimal() else None
        whole = Found("cuda", name, total, int(index), uuid, capability)
        is_split = len(rest) > 1 and rest[1].lower() == "enabled"
        if not is_split:
            found.append(whole)
            continue
        for profile, slice_uuid in slices.get(int(index), []):
            size = re.search(r"\.(\d+)gb", profile)
            memory_bytes = int(size[1]) * 1024 * MIB if size else None
            found.append(Found("cuda", name, memory_bytes, int(index), slice_uuid, capability, profile))
    return found


def _slices(listing: str) -> dict[int, list[tuple[str, str]]]:
    slices: dict[int, list[tuple[str, str]]] = {}
    gpu = -1
    for line in listing.splitlines():
        if match := re.match(r"GPU (\d+):", line):
            gpu = int(match[1])
        elif match := re.match(r"\s+MIG (\S+)\s+Device\s+\d+:\s+\(UUID: (\S+)\)", line):
            slices.setdefault(gpu, []).append((match[1], match[2]))
    return slices


def parse_amd_smi(text: str) -> list[Found]:
    """Devices from `amd-smi static --asic --vram --json`."""
    data = _json(text)
    if isinstance(data, dict):
        data = data.get("gpu_data")
    found = []
    for position, gpu in enumerate(data if isinstance(data, list) else []):
        asic, vram = (gpu.get(part) for part in ("asic", "vram")) if isinstance(gpu, dict) else (None, None)
        if not isinstance(asic, dict) or not isinstance(vram, dict):
            continue
        size = vram.get("size")
        value, unit = (size.get("value"), size.get("unit", "MB")) if isinstance(size, dict) else (size, "MB")
        scale = {"KB": 1024, "MB": MIB, "GB": 2**30}.get(str(unit), MIB)
        memory = int(str(value)) * scale if str(value).isdecimal() else None
        index = gpu.get("gpu", position)
        target = asic.get("target_graphics_version")
        name = str(asic.get("market_name") or "AMD GPU")
        where = index if isinstance(index, int) else position
        found.append(Found("rocm", name, memory, where, capability=str(target) if target else None))
    return found


def parse_rocm_smi(text: str) -> list[Found]:
    """Devices from `rocm-smi --showproductname --showmeminfo vram --json`."""
    data = _json(text)
    found = []
    for key, card in sorted((data if isinstance(data, dict) else {}).items()):
        match = re.fullmatch(r"card(\d+)", key)
        if match is None or not isinstance(card, dict):
            continue
        fields = {str(name).lower(): str(value) for name, value in card.items()}
        memory = fields.get("vram total memory (b)", "")
        names = [fields[name] for name in ("card series", "card model", "device name") if fields.get(name)]
        name = next((each for each in names if not re.fullmatch(r"0x[0-9a-f]+|n/a", each.lower())), "AMD GPU")
        total = int(memory) if memory.isdecimal() else None
        found.append(Found("rocm", name, total, int(match[1]), capability=fields.get("gfx version")))
    return sorted(found, key=lambda each: each.index)


def parse_sysctl(text: str) -> Found | None:
    """The GPU of an Apple chip from `sysctl -n machdep.cpu.brand_string hw.memsize`: it shares main memory."""
    lines = text.split("\n")
    if len(lines) < 2 or not lines[1].strip().isdecimal():  # noqa: PLR2004 - two values were asked for
        return None
    return Found("mps", lines[0].strip(), int(lines[1]))


def _nvidia() -> list[Found]:
    if shutil.which("nvidia-smi") is None:
        return []
    for fields in (NVIDIA_FIELDS, NVIDIA_OLD_FIELDS):
        text = _ask("nvidia-smi", f"--query-gpu={fields}", "--format=csv,noheader,nounits")
        if text:
            listing = _ask("nvidia-smi", "-L") if "Enabled" in text else ""
            return parse_nvidia(text, listing)
    return []


def _amd() -> list[Found]:
    if shutil.which("amd-smi") is not None:
        found = parse_amd_smi(_ask("amd-smi", "static", "--asic", "--vram", "--json"))
        if found:
            return found
    if shutil.which("rocm-smi") is not None:
        return parse_rocm_smi(_ask("rocm-smi", "--showproductname", "--showmeminfo", "vram", "--json"))
    return []


def _apple() -> list[Found]:
    if platform.system() != "Darwin" or platform.machine() != "arm64":
        return []
    found = parse_sysctl(_ask("sysctl", "-n", "machdep.cpu.brand_string", "hw.memsize"))
    return [found] if found else []


def _ask(*command: str) -> str:
    """What a vendor's tool prints, or nothing when it fails or takes more than 5 s."""
    path = shutil.which(command[0])
    if path is None:
        return ""
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command of the vendor, without a shell
            [path, *command[1:]], capture_output=True, timeout=TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
