"""The devices that plans are made for: what each holds, how fast it is, which number formats it computes in.

Figures come from `devices.toml`, which says what each field means and names the source of every entry.
"""

import functools
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from planner.catalog.errors import CatalogError, near_names

DATA = Path(__file__).with_name("devices.toml")

BYTES_PER_GB = 10**9
BYTES_PER_MIB = 2**20
APPLE_SMALL_MEMORY_GB = 36
APPLE_SHARE_SMALL = 2 / 3
APPLE_SHARE_LARGE = 3 / 4
# A size as people write it: 24 for a card that its driver calls 22.5 GiB. Variants of one card differ by more.
MEMORY_TOLERANCE = 0.12

Positive = Annotated[float, Field(gt=0)]


class Device(BaseModel):
    """One kind of accelerator or CPU, as its vendor describes it.

    `None` means that no source gives the figure. TFLOP/s are dense, never with sparsity.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(description="name in the catalog, kebab-case")
    name: str = Field(description="name as the driver or vendor writes it")
    aliases: tuple[str, ...] = Field(default=(), description="other names, as people write them")
    family: str | None = Field(default=None, description="name shared by the variants of one product")
    preferred: bool = Field(default=False, description="whether the family's bare name may mean this variant")
    vendor: Literal["amd", "any", "apple", "google", "intel", "nvidia"]
    kind: Literal["consumer", "cpu", "data-centre", "edge", "workstation"]
    memory_gb: Annotated[float, Field(ge=0)] = Field(description="marketed memory, GB; 0: host memory only")
    memory_kind: Literal["dedicated", "host", "unified"] = "dedicated"
    memory_options_gb: tuple[float, ...] = Field(default=(), description="sizes sold, GB, when there are several")
    driver_memory_mib: int | None = Field(default=None, description="total that the driver reports, MiB")
    compute_capability: str | None = Field(default=None, description="CUDA compute capability")
    bf16: bool | None = Field(default=None, description="whether it computes in bf16")
    fp8: bool | None = Field(default=None, description="whether it multiplies fp8 matrices")
    fp4: bool | None = Field(default=None, description="whether it multiplies fp4 matrices")
    tensor_tflops: Positive | None = Field(default=None, description="dense matrix rate in tensor_dtype, TFLOP/s")
    tensor_dtype: Literal["bf16", "fp16"] | None = None
    fp32_tflops: Positive | None = Field(default=None, description="fp32 rate without matrix units, TFLOP/s")
    bandwidth_gb_per_s: Positive | None = Field(default=None, description="memory bandwidth, 1e9 bytes a second")
    tdp_w: Positive | None = Field(default=None, description="board power, W")
    interconnect: str | None = Field(default=None, description="link to other devices or the host")
    source: str | None = Field(default=None, description="key into references.toml")

    @property
    def memory_bytes(self) -> int:
        """Bytes of the device, before the reserve of its driver and the context of a framework.

        The driver's total where one is documented. Otherwise the marketed figure read as decimal GB, which is never
        more than the device has. On Apple silicon, the least share of unified memory that Metal lets a program hold by
        default: two thirds up to 36 GB, three quarters above [apple-metal-working-set, apple-working-set-reports].
        """
        if self.driver_memory_mib is not None:
            return self.driver_memory_mib * BYTES_PER_MIB
        total = int(self.memory_gb * BYTES_PER_GB)
        if self.vendor == "apple":
            small = self.memory_gb <= APPLE_SMALL_MEMORY_GB
            return int(total * (APPLE_SHARE_SMALL if small else APPLE_SHARE_LARGE))
        return total

    @property
    def is_cpu(self) -> bool:
        """Whether the work would run on the host itself."""
        return self.kind == "cpu"


def find_device(name: str, memory_gb: float | None = None) -> Device:
    """The device that `name` means; case, spaces, dashes and the vendor's name do not matter.

    Args:
        name: a key, an alias, or what a driver prints ("NVIDIA A100-SXM4-80GB").
        memory_gb: marketed or reported size in GB; picks the variant, and must agree with the device.

    Raises:
        CatalogError: the name is unknown, means several devices, or contradicts the memory size.
    """
    named = _index()["name"]
    bare, written_gb = _split_memory(name)
    full = named.get(_normal(name))
    wanted_gb = memory_gb or (None if full else written_gb)
    exact = full or named.get(_normal(bare))
    if exact and _agrees(exact[0], wanted_gb):
        return _sized(exact[0], wanted_gb)
    variants = _index()["family"].get(_normal(bare), ())
    if not variants and exact:
        variants = _index()["family"].get(exact[0].family or "", exact)
    if not variants:
        raise CatalogError("device", name, "is not in the catalog", near_names(bare, _spellings()), _UNKNOWN_ADVICE)
    fitting = [each for each in variants if _agrees(each, wanted_gb)]
    if not fitting:
        sizes = ", ".join(f"{each.key} ({_sizes(each)})" for each in variants)
        raise CatalogError("device", name, f"does not come with {wanted_gb:g} GB", (), f"Known: {sizes}.")
    preferred = [each for each in fitting if each.preferred]
    chosen = fitting if len(fitting) == 1 else preferred
    if len(chosen) != 1:
        keys = [each.key for each in fitting]
        raise CatalogError("device", name, "means several devices", keys, "Name one of them or give memory_gb.")
    return _sized(chosen[0], wanted_gb)


def parse_hardware_name(text: str) -> tuple[Device, int]:
    """The device and the count in a short name: "8xh100", "a10g", "2x A100 80GB", "A100-80GB x 4", "24gb".

    A size alone stands for any GPU of that memory: its number formats and rates are unknown.

    Raises:
        CatalogError: the name is unknown, ambiguous, or the count is not at least 1.
    """
    rest, count = text.strip(), 1
    for pattern in _COUNTED if _normal(rest) not in _index()["name"] else ():
        match = pattern.fullmatch(rest)
        if match:
            rest, count = match["name"].strip(), int(match["count"])
            break
    if count < 1:
        raise CatalogError("hardware", text, "has a count below 1", (), "Write how many devices, such as 2xa10g.")
    bare, size_gb = _split_memory(rest)
    if not bare and size_gb:
        return any_gpu(size_gb), count
    return find_device(rest), count


def any_gpu(memory_gb: float) -> Device:
    """A GPU of which only the memory is known: formats and rates are `None`, never assumed."""
    return Device(
        key=f"gpu-{memory_gb:g}gb",
        name=f"any GPU with {memory_gb:g} GB",
        vendor="any",
        kind="consumer",
        memory_gb=memory_gb,
    )


@functools.cache
def all_devices() -> tuple[Device, ...]:
    """Every device of the catalog, sorted by key."""
    tables = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return tuple(Device(key=key, **tables[key]) for key in sorted(tables))


_UNKNOWN_ADVICE = "Use a name that `adapt hardware --list` shows, or give the memory alone, such as 24gb."
_COUNTED = (
    re.compile(r"(?P<count>\d+)\s*[x\u00d7*]\s*(?P<name>\S.*)", re.IGNORECASE),
    re.compile(r"(?P<name>\S.*?)\s*[x\u00d7*]\s*(?P<count>\d{1,3})", re.IGNORECASE),
    re.compile(r"(?P<count>\d{1,3})\s+(?P<name>[a-z].*)", re.IGNORECASE),
)
_MEMORY = re.compile(r"(?P<bare>.*?)[\s_(-]*\b(?P<size>\d+(?:\.\d+)?)\s*gi?b\)?\s*", re.IGNORECASE)
_VENDOR_WORDS = re.compile(r"\b(?:nvidia|geforce|tesla|quadro|amd|instinct|radeon|apple|intel|google|cloud)\b")


def _normal(name: str) -> str:
    """A name without case, vendor and punctuation: "NVIDIA A100-SXM4-80GB" and "a100 sxm4 80gb" are one."""
    words = _VENDOR_WORDS.sub(" ", name.lower().replace("_", " ").replace("-", " "))
    return re.sub(r"[^a-z0-9]", "", words)


def _split_memory(name: str) -> tuple[str, float | None]:
    match = _MEMORY.fullmatch(name.strip())
    return (match["bare"].strip(), float(match["size"])) if match else (name.strip(), None)


def _agrees(device: Device, memory_gb: float | None) -> bool:
    if memory_gb is None or device.memory_kind == "host":
        return True
    sizes = device.memory_options_gb or (device.memory_gb,)
    return any(abs(size - memory_gb) <= MEMORY_TOLERANCE * size for size in sizes)


def _sized(device: Device, memory_gb: float | None) -> Device:
    """The device with the memory configuration nearest to the size asked for."""
    if memory_gb is None or not device.memory_options_gb:
        return device
    nearest = min(device.memory_options_gb, key=lambda size: abs(size - memory_gb))
    return device.model_copy(update={"memory_gb": nearest})


def _sizes(device: Device) -> str:
    return " or ".join(f"{size:g} GB" for size in device.memory_options_gb or (device.memory_gb,))


def _spellings() -> list[str]:
    return [spelling for each in all_devices() for spelling in (each.key, *each.aliases)]


@functools.cache
def _index() -> dict[str, dict[str, tuple[Device, ...]]]:
    """Devices by normalised name, and the variants of a family by its name."""
    names: dict[str, tuple[Device, ...]] = {}
    families: dict[str, tuple[Device, ...]] = {}
    for device in all_devices():
        for spelling in (device.key, device.name, *device.aliases):
            names[_normal(spelling)] = (device,)
        if device.family:
            families[device.family] = (*families.get(device.family, ()), device)
    return {"name": names, "family": families}
