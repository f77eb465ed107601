"""Facts about the hardware."""

from __future__ import annotations

from typing import TYPE_CHECKING

from planner.facts.registry import Unknown, fact

if TYPE_CHECKING:
    from planner.survey import Survey


@fact()
def device_kind(survey: Survey) -> str:
    """`cuda`, `rocm`, `mps`, `xpu`, `tpu` or `cpu`."""
    return survey.hardware.device.kind


@fact(unit="devices")
def device_count(survey: Survey) -> int:
    """Devices over all nodes; 1 for a CPU."""
    return survey.hardware.device.count * survey.hardware.nodes


@fact(unit="bytes")
def device_memory_bytes(survey: Survey) -> int | Unknown:
    """Usable memory of one device; main memory on a CPU."""
    return survey.hardware.device.memory_bytes or Unknown("the memory of the machine is not known")


@fact(cite=("book:numerical-representations",))
def bf16_supported(survey: Survey) -> bool | Unknown:
    """Whether the device computes in bfloat16."""
    supported = survey.hardware.device.bf16
    return Unknown("the device is not in the catalog") if supported is None else supported


@fact(unit="cores")
def cpu_cores(survey: Survey) -> int | Unknown:
    """CPU cores that the process may use."""
    return survey.hardware.cores or Unknown("the CPU was not looked at")
