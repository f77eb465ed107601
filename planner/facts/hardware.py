"""Facts about the hardware."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from planner.documents import DeviceFacts
from planner.facts.registry import Unknown, fact
from planner.facts.words import words_of

if TYPE_CHECKING:
    from planner.catalog.devices import Device
    from planner.survey import Survey

# The flash kernels of attention need Ampere or newer: https://github.com/Dao-AILab/flash-attention
FLASH_CAPABILITY = (8, 0)
FAST_LINKS = ("NVLink", "Infinity Fabric", "ICI", "Xe Link", "RoCE")


@lru_cache(maxsize=256)
def entry_of(key: str) -> Device | None:
    """The catalog's device of a key; None for one of which only the memory is known."""
    from planner.catalog.devices import find_device
    from planner.catalog.errors import CatalogError

    try:
        return find_device(key)
    except CatalogError:
        return None


def catalog_entry(survey: Survey) -> Device | None:
    """The catalog's entry of the device that work is planned for."""
    key = survey.hardware.device.key
    return entry_of(key) if key else None


@fact(words=words_of(DeviceFacts, "kind"))
def device_kind(survey: Survey) -> str:
    """`cuda`, `rocm`, `mps`, `xpu`, `tpu` or `cpu`."""
    return survey.hardware.device.kind


@fact()
def device_class(survey: Survey) -> str | Unknown:
    """`data-centre`, `workstation`, `consumer`, `edge` or `cpu`."""
    if survey.hardware.device.kind == "cpu":
        return "cpu"
    entry = catalog_entry(survey)
    return entry.kind if entry else Unknown("the device is not in the catalog")


@fact(unit="devices")
def device_count(survey: Survey) -> int:
    """Devices over all nodes; 1 for a CPU."""
    return survey.hardware.device.count * survey.hardware.nodes


@fact(unit="nodes")
def node_count(survey: Survey) -> int:
    """Machines that work together."""
    return survey.hardware.nodes


@fact(unit="bytes")
def device_memory_bytes(survey: Survey) -> int | Unknown:
    """Usable memory of one device; main memory on a CPU."""
    return survey.hardware.device.memory_bytes or Unknown("the memory of the machine is not known")


@fact(unit="bytes")
def host_memory_bytes(survey: Survey) -> int | Unknown:
    """Main memory of one machine."""
    return survey.hardware.host_memory_bytes or Unknown("the main memory of the machine is not known")


@fact()
def fast_link(survey: Survey) -> bool | Unknown:
    """Whether devices reach each other by a link of their own instead of PCIe."""
    entry = catalog_entry(survey)
    if entry is None or entry.interconnect is None:
        return Unknown("the link between the devices is not known")
    return entry.interconnect.startswith(FAST_LINKS)


@fact(cite=("book:numerical-representations",))
def bf16_supported(survey: Survey) -> bool | Unknown:
    """Whether the device computes in bfloat16."""
    supported = survey.hardware.device.bf16
    return Unknown("the device is not in the catalog") if supported is None else supported


@fact(cite=("book:numerical-representations",))
def bf16_known(survey: Survey) -> bool:
    """Whether it is known if the device computes in bfloat16."""
    return survey.hardware.device.bf16 is not None


@fact(cite=("micikevicius-2022-fp8",))
def fp8_supported(survey: Survey) -> bool:
    """Whether the device is known to multiply fp8 matrices."""
    return bool(survey.hardware.device.fp8)


@fact(cite=("dao-2022-flash-attention",))
def flash_supported(survey: Survey) -> bool:
    """Whether the flash kernels of attention, which keep packed rows apart, are known to run on the device."""
    device = survey.hardware.device
    if device.kind != "cuda" or device.compute_capability is None:
        return False
    return tuple(map(int, device.compute_capability.split("."))) >= FLASH_CAPABILITY
