"""Surveys hardware: this machine's, the catalog's, or what the spec declares, with the source of each field."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from planner.documents import GB, Device, DeviceFacts, Finding, Hardware, HardwareRecord, InputError
from planner.survey.problems import pointer_to, problem

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Literal

    from planner.catalog.devices import Device as CatalogDevice
    from planner.survey.accelerator_probe import Found
    from planner.survey.host_probe import Host

    Kind = Literal["cuda", "rocm", "mps", "xpu", "tpu", "cpu"]

KINDS: dict[str, Kind] = {"nvidia": "cuda", "amd": "rocm", "apple": "mps", "intel": "xpu", "google": "tpu"}
CPU_NAMES = frozenset({"cpu", "none", "host", "any cpu"})
# CDNA 2 and later, RDNA 3 and later compute in bf16: https://rocm.docs.amd.com/en/latest/reference/precision-support.html
_AMD_BF16 = ("gfx90a", "gfx94", "gfx95", "gfx11", "gfx12")
_NVIDIA_BF16, _NVIDIA_FP8 = (8, 0), (8, 9)


@dataclass(frozen=True, slots=True)
class HardwareSurvey:
    """The record for the plan, and where each of its fields comes from."""

    record: HardwareRecord
    sources: Mapping[str, str]
    """Field, such as `/devices/0/memory_bytes`, to probed, declared, catalog or assumed."""
    findings: tuple[Finding, ...] = ()


def survey_hardware(hardware: str | Hardware, folder: Path) -> HardwareRecord:
    """The hardware that a plan is made for.

    Args:
        hardware: `auto`, a name of the catalog such as `8xh100`, or devices in full.
        folder: where the plan will run; its free disk counts when the machine is probed.

    Raises:
        InputError: the name is not in the catalog, or a declared GPU has no memory.
    """
    survey = look_at_hardware(hardware, folder)
    return survey.record


def look_at_hardware(hardware: str | Hardware, folder: Path, *, file: str | None = None) -> HardwareSurvey:
    """The same with the source of each field and with warnings; `file` names the spec in messages.

    Raises:
        InputError: as `survey_hardware`.
    """
    if isinstance(hardware, Hardware):
        return _declared(hardware, file)
    if hardware.strip().lower() == "auto":
        return _probed(folder)
    found = _named(hardware)
    if isinstance(found, str):
        raise InputError([problem("HARD001", *found.split("\n"), file=file, pointer="/hardware")])
    device, count = found
    facts = _facts(device, device.name, device.memory_bytes, count)
    return HardwareSurvey(HardwareRecord(source="catalog", devices=(facts,)), _sources([facts], "catalog", "catalog"))


def _probed(folder: Path) -> HardwareSurvey:
    from planner.survey.accelerator_probe import probe_accelerators
    from planner.survey.host_probe import free_disk

    host, disk = _host(), free_disk(folder)
    devices = tuple(_of_found(found, count) for found, count in probe_accelerators())
    if not devices:
        cpu = DeviceFacts(
            name=host.name,
            key=host.key,
            kind="cpu",
            count=1,
            memory_bytes=host.memory_bytes or 0,
            bf16=host.bf16,
            fp8=False,
            features=host.features,
        )
        devices = (cpu,)
    record = HardwareRecord(
        source="probed",
        devices=devices,
        cores=host.cores,
        host_memory_bytes=host.memory_bytes,
        disk_bytes=disk,
    )
    sources = _sources(devices, "probed", "catalog")
    sources |= {f"/{name}": "probed" for name in ("cores", "host_memory_bytes", "disk_bytes")}
    return HardwareSurvey(record, sources)


@lru_cache(maxsize=1)
def _host() -> Host:
    from planner.survey.host_probe import probe_host

    return probe_host()


def _declared(hardware: Hardware, file: str | None) -> HardwareSurvey:
    devices: list[DeviceFacts] = []
    sources: dict[str, str] = {}
    errors: list[Finding] = []
    warnings: list[Finding] = []
    host_bytes = int(hardware.host_memory_gb * GB) if hardware.host_memory_gb else None
    for index, device in enumerate(hardware.devices):
        pointer = pointer_to("hardware", "devices", index)
        entry, remark = _entry_of(device)
        if device.memory_gb == 0 and not _is_cpu(device, entry):
            message = f"`{device.name}` has a memory of 0 GB, and it is not a CPU."
            fix = (
                f"It has {entry.memory_gb:g} GB by the catalog." if entry else "Write the memory of one device, in GB."
            )
            errors.append(problem("HARD002", message, fix, file=file, pointer=f"{pointer}/memory_gb"))
            continue
        if remark:
            warnings.append(
                problem(
                    "HARD003",
                    remark,
                    "Its number formats are unknown.",
                    file=file,
                    pointer=f"{pointer}/name",
                    severity="warning",
                )
            )
        facts = _declared_facts(device, entry, host_bytes)
        devices.append(facts)
        sources |= _sources([facts], "declared", "catalog" if entry else "assumed", start=index)
    if errors:
        raise InputError([*errors, *warnings])
    record = HardwareRecord(
        source="declared",
        devices=tuple(devices),
        nodes=hardware.nodes,
        host_memory_bytes=host_bytes,
        disk_bytes=int(hardware.disk_gb * GB) if hardware.disk_gb else None,
    )
    known = {"nodes": hardware.nodes, "host_memory_bytes": host_bytes, "disk_bytes": hardware.disk_gb}
    sources |= {f"/{name}": "declared" for name, value in known.items() if value is not None}
    return HardwareSurvey(record, sources, tuple(warnings))


def _is_cpu(device: Device, entry: CatalogDevice | None) -> bool:
    return entry.is_cpu if entry else device.name.strip().lower() in CPU_NAMES or "cpu" in device.name.lower().split()


def _declared_facts(device: Device, entry: CatalogDevice | None, host_bytes: int | None) -> DeviceFacts:
    if _is_cpu(device, entry):
        memory = host_bytes or int(device.memory_gb * GB)
        if entry:
            return _facts(entry, device.name, memory, device.count)
        return DeviceFacts(name=device.name, kind="cpu", count=device.count, memory_bytes=memory, fp8=False)
    declared = int(device.memory_gb * GB)
    if entry is None:
        return DeviceFacts(name=device.name, kind="cuda", count=device.count, memory_bytes=declared)
    # The driver's total is the truth of a card that is sold as 24 GB; an unusual size is the user's.
    memory = entry.memory_bytes if _same_size(entry, device.memory_gb) else declared
    return _facts(entry, device.name, memory, device.count)


def _same_size(entry: CatalogDevice, memory_gb: float) -> bool:
    from planner.catalog.devices import MEMORY_TOLERANCE

    return abs(entry.memory_gb - memory_gb) <= MEMORY_TOLERANCE * entry.memory_gb


def _facts(entry: CatalogDevice, name: str, memory_bytes: int, count: int) -> DeviceFacts:
    return DeviceFacts(
        name=name,
        key=entry.key,
        kind="cpu" if entry.is_cpu else KINDS.get(entry.vendor, "cuda"),
        count=count,
        memory_bytes=memory_bytes,
        bf16=entry.bf16,
        fp8=entry.fp8,
        compute_capability=entry.compute_capability,
    )


def _of_found(found: Found, count: int) -> DeviceFacts:
    """A probed device: memory and capability as its tool says, formats by the catalog or by the capability."""
    memory_gb = found.memory_bytes / GB if found.memory_bytes else None
    entry, _ = _lookup(found.name, None if found.partition else memory_gb)
    capability = found.capability if found.kind == "cuda" else None
    bf16, fp8 = (entry.bf16, entry.fp8) if entry else (None, None)
    if capability is not None:
        version = tuple(map(int, capability.split(".")))
        bf16, fp8 = version >= _NVIDIA_BF16, version >= _NVIDIA_FP8
    elif found.kind == "rocm" and found.capability:
        bf16 = found.capability.startswith(_AMD_BF16)
    memory = found.memory_bytes or (entry.memory_bytes if entry else 0)
    if found.kind == "mps" and entry:
        memory = entry.memory_bytes
    name = f"{found.name} MIG {found.partition}" if found.partition else found.name
    return DeviceFacts(
        name=name,
        key=entry.key if entry else None,
        kind=found.kind,
        count=count,
        memory_bytes=memory,
        bf16=bf16,
        fp8=fp8,
        compute_capability=capability or (entry.compute_capability if entry else None),
    )


def _entry_of(device: Device) -> tuple[CatalogDevice | None, str]:
    entry, remark = _lookup(device.name, device.memory_gb or None)
    if entry is None and device.memory_gb:
        # A card of a known name and an unusual size still has that card's number formats.
        by_name, _ = _lookup(device.name, None)
        if by_name is not None:
            return by_name, ""
    return entry, remark


@lru_cache(maxsize=1024)
def _lookup(name: str, memory_gb: float | None) -> tuple[CatalogDevice | None, str]:
    """The catalog's device, or a sentence that says why there is none."""
    from planner.catalog.devices import find_device
    from planner.catalog.errors import CatalogError

    try:
        return find_device(name, memory_gb), ""
    except CatalogError as error:
        hint = f" Near names: {', '.join(error.near)}." if error.near else ""
        return None, f"The device `{name}` {error.problem}.{hint}"


@lru_cache(maxsize=1024)
def _named(name: str) -> tuple[CatalogDevice, int] | str:
    """The device and count of a short name, or message and advice in two lines."""
    from planner.catalog.devices import parse_hardware_name
    from planner.catalog.errors import CatalogError

    try:
        return parse_hardware_name(name)
    except CatalogError as error:
        hint = f"Did you mean {' or '.join(f'`{each}`' for each in error.near[:2])}? " if error.near else ""
        return f"The hardware `{name}` {error.problem}.\n{hint}{error.advice}"


def _sources(
    devices: tuple[DeviceFacts, ...] | list[DeviceFacts], own: str, formats: str, *, start: int = 0
) -> dict[str, str]:
    sources: dict[str, str] = {}
    for index, facts in enumerate(devices, start):
        place = pointer_to("devices", index)
        sources |= {f"{place}/{name}": own for name in ("name", "count", "memory_bytes")}
        for name in ("kind", "bf16", "fp8", "compute_capability", "features"):
            if getattr(facts, name) not in (None, ()):
                probed = own == "probed" and (facts.kind == "cpu" or facts.compute_capability is not None)
                sources[f"{place}/{name}"] = "probed" if probed else formats
    return sources
