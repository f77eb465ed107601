"""Hardware is probed, named or declared, and each field says where it comes from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.survey import accelerator_probe as probe
from planner.survey import hardware as hardware_module
from planner.survey import look_at_hardware
from planner.survey.accelerator_probe import Found, grouped, visible
from planner.survey.host_probe import free_disk, parse_cpuinfo, parse_meminfo, parse_quota, probe_host
from tests.planner.survey.conftest import problems_of, spec_of

if TYPE_CHECKING:
    from pathlib import Path

MIB = 2**20
TWO_A100 = """\
0, GPU-aaaa, NVIDIA A100-SXM4-80GB, 81920, 8.0, Disabled
1, GPU-bbbb, NVIDIA A100-SXM4-80GB, 81920, 8.0, Disabled
"""
OLD_DRIVER = "0, GPU-cccc, Tesla V100-SXM2-16GB, 16160\n"
SPLIT = "0, GPU-dddd, NVIDIA H100 80GB HBM3, 81559, 9.0, Enabled\n1, GPU-eeee, NVIDIA T4, 15360, 7.5, [N/A]\n"
LISTING = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-dddd)
  MIG 1g.10gb     Device  0: (UUID: MIG-1111)
  MIG 3g.40gb     Device  1: (UUID: MIG-2222)
GPU 1: NVIDIA T4 (UUID: GPU-eeee)
"""
ROCM = json.dumps(
    {
        "card1": {"VRAM Total Memory (B)": "68702699520", "Card series": "0x740c", "Card model": "AMD Instinct MI250X"},
        "card0": {
            "VRAM Total Memory (B)": "68702699520",
            "Card Series": "AMD Instinct MI250X",
            "GFX Version": "gfx90a",
        },
        "system": {"Driver version": "6.7.0"},
    }
)
AMD = json.dumps(
    [
        {
            "gpu": 0,
            "asic": {"market_name": "AMD Instinct MI300X", "target_graphics_version": "gfx942"},
            "vram": {"type": "HBM", "size": {"value": 196592, "unit": "MB"}},
        }
    ]
)
CPUINFO = "processor\t: 0\nmodel name\t: AMD  EPYC 9654\nflags\t\t: fpu avx2 avx512f avx512_bf16\n\nprocessor\t: 1\n"
ARM = "processor\t: 0\nFeatures\t: fp asimd sve bf16 i8mm\n"


def look(hardware: Any, folder: Path) -> Any:
    return look_at_hardware(spec_of(hardware=hardware).hardware, folder)


def test_nvidia_devices_are_read_from_its_tool() -> None:
    first, second = probe.parse_nvidia(TWO_A100)
    assert first == Found("cuda", "NVIDIA A100-SXM4-80GB", 81920 * MIB, 0, "GPU-aaaa", "8.0")
    assert second.index == 1
    (old,) = probe.parse_nvidia(OLD_DRIVER)
    assert (old.memory_bytes, old.capability) == (16160 * MIB, None)


def test_a_split_device_is_its_slices() -> None:
    found = probe.parse_nvidia(SPLIT, LISTING)
    assert [(each.partition, each.memory_bytes) for each in found] == [
        ("1g.10gb", 10 * 2**30),
        ("3g.40gb", 40 * 2**30),
        (None, 15360 * MIB),
    ]


@pytest.mark.parametrize(
    ("variable", "kept"),
    [
        (None, [0, 1]),
        ("", []),
        ("-1", []),
        ("1", [1]),
        ("1,0", [1, 0]),
        ("GPU-bb", [1]),
        ("0,7,1", [0]),
        ("NoDevFiles", []),
    ],
)
def test_the_visible_devices_variable_counts(variable: str | None, kept: list[int]) -> None:
    assert [each.index for each in visible(probe.parse_nvidia(TWO_A100), variable)] == kept


def test_a_slice_can_be_chosen_by_its_uuid() -> None:
    assert [each.partition for each in visible(probe.parse_nvidia(SPLIT, LISTING), "MIG-2222")] == ["3g.40gb"]


def test_amd_devices_are_read_from_either_tool() -> None:
    assert [(each.name, each.memory_bytes) for each in probe.parse_rocm_smi(ROCM)] == [
        ("AMD Instinct MI250X", 68702699520)
    ] * 2
    (found,) = probe.parse_amd_smi(AMD)
    assert (found.name, found.memory_bytes, found.capability) == ("AMD Instinct MI300X", 196592 * MIB, "gfx942")


def test_an_apple_chip_shares_main_memory() -> None:
    assert probe.parse_sysctl("Apple M3 Max\n68719476736\n") == Found("mps", "Apple M3 Max", 68719476736)
    assert probe.parse_sysctl("") is None


@given(text=st.text())
def test_whatever_a_tool_prints_is_devices_or_nothing(text: str) -> None:
    assert isinstance(probe.parse_nvidia(text, text), list)
    assert isinstance(probe.parse_amd_smi(text), list)
    assert isinstance(probe.parse_rocm_smi(text), list)
    probe.parse_sysctl(text)
    parse_cpuinfo(text)
    parse_meminfo(text)
    parse_quota(text, text)


def test_alike_devices_are_counted_together() -> None:
    ((device, count),) = grouped(probe.parse_nvidia(TWO_A100))
    assert (device.name, count) == ("NVIDIA A100-SXM4-80GB", 2)


def test_the_cpu_is_known_by_the_features_that_matter() -> None:
    assert parse_cpuinfo(CPUINFO) == ("AMD EPYC 9654", ("avx2", "avx512_bf16", "avx512f"))
    assert parse_cpuinfo(ARM) == ("", ("asimd", "bf16", "i8mm", "sve"))
    assert parse_meminfo("MemTotal:       32768 kB\nMemFree: 1 kB\n") == 32768 * 1024
    assert [parse_quota(*each) for each in [("max 100000",), ("250000 100000",), ("-1", "100000"), ("", "")]] == [
        None,
        2,
        None,
        None,
    ]


def test_this_machine_is_probed_alike_twice(tmp_path: Path) -> None:
    host = probe_host()
    assert host.cores is None or host.cores >= 1
    assert look("auto", tmp_path).record == look("auto", tmp_path).record
    disk = free_disk(tmp_path / "not" / "there")
    assert disk is not None
    assert disk & (disk - 1) == 0


def test_a_probed_device_takes_its_formats_from_its_capability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(probe, "_nvidia", lambda: probe.parse_nvidia(TWO_A100))
    probe._probe.cache_clear()
    found = look("auto", tmp_path)
    probe._probe.cache_clear()
    (device,) = found.record.devices
    assert (device.key, device.kind, device.count, device.memory_bytes) == ("a100-80gb", "cuda", 2, 81920 * MIB)
    assert (device.bf16, device.fp8, device.compute_capability) == (True, False, "8.0")
    assert (found.record.source, found.sources["/devices/0/memory_bytes"]) == ("probed", "probed")
    assert found.record.host_memory_bytes is not None


def test_an_unknown_accelerator_keeps_its_memory_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = Found("rocm", "Strange 9000", 10**10)
    monkeypatch.setattr(probe, "probe_accelerators", lambda: ((strange, 1),))
    (device,) = look("auto", tmp_path).record.devices
    assert (device.key, device.memory_bytes, device.bf16, device.fp8) == (None, 10**10, None, None)


@pytest.mark.parametrize(
    ("name", "key", "count", "kind"),
    [
        ("a10g", "a10g", 1, "cuda"),
        ("8xh100", "h100-sxm", 8, "cuda"),
        ("cpu", "cpu", 1, "cpu"),
        ("mi300x", "mi300x", 1, "rocm"),
    ],
)
def test_a_catalog_name_is_looked_up(tmp_path: Path, name: str, key: str, count: int, kind: str) -> None:
    found = look(name, tmp_path)
    device = found.record.device
    assert (device.key, device.count, device.kind, found.record.source) == (key, count, kind, "catalog")
    assert found.sources["/devices/0/memory_bytes"] == "catalog"


def test_declared_devices_take_their_formats_from_the_catalog(tmp_path: Path) -> None:
    fields = {
        "devices": [{"name": "A100", "memory_gb": 80, "count": 4}],
        "nodes": 2,
        "host_memory_gb": 512,
        "disk_gb": 900,
    }
    found = look(fields, tmp_path)
    record = found.record
    assert (record.device.key, record.device.bf16, record.device.count) == ("a100-80gb", True, 4)
    assert (record.nodes, record.host_memory_bytes, record.disk_bytes) == (2, 512 * 10**9, 900 * 10**9)
    assert found.sources["/devices/0/bf16"] == "catalog"
    assert found.sources["/nodes"] == "declared"


def test_a_cpu_has_the_hosts_memory_or_an_unknown_one(tmp_path: Path) -> None:
    cpu = {"name": "CPU", "memory_gb": 0}
    assert look({"devices": [cpu], "host_memory_gb": 16}, tmp_path).record.device.memory_bytes == 16 * 10**9
    unknown = look({"devices": [cpu]}, tmp_path).record
    assert (unknown.device.kind, unknown.device.memory_bytes, unknown.host_memory_bytes) == ("cpu", 0, None)


def test_an_unknown_device_is_a_warning_and_its_formats_stay_unknown(tmp_path: Path) -> None:
    found = look({"devices": [{"name": "Foo 9000", "memory_gb": 20}]}, tmp_path)
    device = found.record.device
    assert (device.key, device.memory_bytes, device.bf16) == (None, 20 * 10**9, None)
    assert found.sources["/devices/0/kind"] == "assumed"
    assert [finding.severity for finding in found.findings] == ["warning"]


def test_a_gpu_without_memory_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    (line,) = problems_of(lambda: look({"devices": [{"name": "L4", "memory_gb": 0}]}, tmp_path))
    assert "/hardware/devices/0/memory_gb: `L4` has a memory of 0 GB" in line
    assert "It has 24 GB by the catalog." in line
    (line,) = problems_of(lambda: look("a10gg", tmp_path))
    assert "Did you mean `a10g`" in line
    assert "below 1" in problems_of(lambda: look("0xa10g", tmp_path))[0]


def test_the_public_function_returns_the_record(tmp_path: Path) -> None:
    assert hardware_module.survey_hardware("a10g", tmp_path).device.key == "a10g"
