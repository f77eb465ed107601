"""Hardware as people declare it and as the planner records it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from planner.documents.base import Document

GB = 10**9
GIB = 2**30


class Device(Document):
    """One kind of accelerator and how many of it a node has; a CPU alone is `{"name": "CPU", "memory_gb": 0}`."""

    name: Annotated[str, Field(min_length=1)]
    memory_gb: Annotated[float, Field(ge=0, le=4096)]
    """Memory of one device as marketed, in GB; 0 for a CPU, which uses the host's."""
    count: Annotated[int, Field(ge=1, le=100_000)] = 1


class Hardware(Document):
    """The machines a plan may use: every node alike."""

    devices: Annotated[tuple[Device, ...], Field(min_length=1)]
    nodes: Annotated[int, Field(ge=1, le=100_000)] = 1
    host_memory_gb: Annotated[float, Field(gt=0)] | None = None
    """Main memory of one node, in GB (1e9 bytes)."""
    disk_gb: Annotated[float, Field(gt=0)] | None = None
    """Free disk where the plan runs, in GB (1e9 bytes)."""


class DeviceFacts(Document):
    """What the planner knows of one device; unknown is null."""

    name: str
    key: str | None = None
    """Key in the device catalog, when it is there."""
    kind: Literal["cuda", "rocm", "mps", "xpu", "tpu", "cpu"]
    count: int
    """Devices in one node."""
    memory_bytes: int
    """Usable memory of one device, in bytes; for a CPU the host's main memory, 0 when unknown."""
    bf16: bool | None = None
    """Whether bfloat16 arithmetic runs in hardware."""
    fp8: bool | None = None
    compute_capability: str | None = None
    """NVIDIA compute capability, such as `8.6`."""
    features: tuple[str, ...] = ()
    """CPU features that matter here, such as `avx512_bf16`."""


class HardwareRecord(Document):
    """Hardware in a plan, with where the knowledge came from."""

    source: Literal["probed", "declared", "catalog", "assumed"]
    devices: tuple[DeviceFacts, ...]
    nodes: int = 1
    cores: int | None = None
    """CPU cores that the process may use on one node."""
    host_memory_bytes: int | None = None
    disk_bytes: int | None = None

    @property
    def device(self) -> DeviceFacts:
        """The first device: the one that work is planned for."""
        return self.devices[0]
