import tomllib

import pytest

from planner.catalog import CatalogError, all_devices, any_gpu, find_device, parse_hardware_name, reference
from planner.catalog.devices import DATA, Device

BF16_SINCE = 8.0
FP8_SINCE = 8.9
FP4_SINCE = 10.0


@pytest.mark.parametrize(
    ("text", "key", "count"),
    [
        ("8xh100", "h100-sxm", 8),
        ("8 x H100", "h100-sxm", 8),
        ("h100x8", "h100-sxm", 8),
        ("a10g", "a10g", 1),
        ("2x A100 80GB", "a100-80gb", 2),
        ("A100-80GB x 4", "a100-80gb", 4),
        ("a100-40gb", "a100-40gb", 1),
        ("2 L4", "l4", 2),
        ("4090", "rtx-4090", 1),
        ("7900 xtx", "rx-7900-xtx", 1),
        ("7900xtx", "rx-7900-xtx", 1),
        ("2x 7900 XTX", "rx-7900-xtx", 2),
        ("geforce 3090", "rtx-3090", 1),
        ("RTX 3080", "rtx-3080-10gb", 1),
        ("CPU", "cpu", 1),
        ("24gb", "gpu-24gb", 1),
        ("8x24gb", "gpu-24gb", 8),
        ("2 x 24 GB", "gpu-24gb", 2),
    ],
)
def test_a_short_name_gives_the_device_and_the_count(text: str, key: str, count: int) -> None:
    device, found = parse_hardware_name(text)
    assert (device.key, found) == (key, count)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("NVIDIA A10G", "a10g"),
        ("Tesla T4", "t4"),
        ("NVIDIA A100-SXM4-80GB", "a100-80gb"),
        ("A100-SXM4-80GB", "a100-80gb"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
        ("NVIDIA H100 80GB HBM3", "h100-sxm"),
        ("NVIDIA H100 NVL", "h100-nvl"),
        ("NVIDIA GH200 480GB", "gh200-96gb"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090"),
        ("NVIDIA RTX 6000 Ada Generation", "rtx-6000-ada"),
        ("nvidia_a100_sxm4_80gb", "a100-80gb"),
        ("Apple M3 Max", "m3-max"),
    ],
)
def test_a_name_as_the_driver_prints_it_is_known(name: str, key: str) -> None:
    assert find_device(name).key == key


@pytest.mark.parametrize(
    ("name", "memory_gb", "key"),
    [
        ("A100", 80, "a100-80gb"),
        ("A100", 40, "a100-40gb"),
        ("H100", 94, "h100-nvl"),
        ("V100", 32, "v100-32gb"),
        ("L4", 22.5, "l4"),
        ("CPU", 0, "cpu"),
        ("CPU", 64, "cpu"),
    ],
)
def test_the_memory_size_picks_the_variant(name: str, memory_gb: float, key: str) -> None:
    assert find_device(name, memory_gb).key == key


def test_a_bare_family_name_with_two_sizes_is_refused_with_its_variants() -> None:
    with pytest.raises(CatalogError, match="means several devices") as caught:
        find_device("A100")
    assert {"a100-40gb", "a100-80gb"} <= set(caught.value.near)


def test_a_size_that_the_device_does_not_come_with_is_refused() -> None:
    with pytest.raises(CatalogError, match="does not come with 80 GB"):
        find_device("a10g", 80)


def test_an_unknown_device_shows_near_names_and_what_to_do() -> None:
    with pytest.raises(CatalogError) as caught:
        find_device("rtx 4091")
    assert "rtx-4090" in {near.lower().replace(" ", "-") for near in caught.value.near}
    assert "adapt hardware" in str(caught.value)


@pytest.mark.parametrize("text", ["0xa10g", "", "x", "8x"])
def test_a_name_that_says_nothing_is_refused(text: str) -> None:
    with pytest.raises(CatalogError):
        parse_hardware_name(text)


def test_unified_memory_takes_the_size_that_was_bought_and_leaves_room_for_the_system() -> None:
    device = find_device("m3 max", 64)
    assert device.memory_gb == 64
    assert device.memory_bytes == 48 * 10**9
    assert find_device("m3 max").memory_gb == 36


def test_the_drivers_total_comes_before_the_marketed_size() -> None:
    assert find_device("a10g").memory_bytes == 23028 * 2**20
    assert find_device("mi300x").memory_bytes == 192 * 10**9


def test_a_gpu_known_only_by_its_memory_claims_nothing_else() -> None:
    device = any_gpu(24)
    assert device.memory_bytes == 24 * 10**9
    assert (device.bf16, device.fp8, device.fp4, device.tensor_tflops) == (None, None, None, None)


def test_there_are_enough_devices_sorted_and_none_is_written_twice() -> None:
    keys = [device.key for device in all_devices()]
    assert len(keys) >= 45
    assert keys == sorted(keys)
    assert list(tomllib.loads(DATA.read_text(encoding="utf-8"))) == keys


def test_every_spelling_means_its_own_device() -> None:
    for device in all_devices():
        for spelling in (device.key, device.name, *device.aliases):
            assert find_device(spelling).key == device.key, spelling


@pytest.mark.parametrize("device", all_devices(), ids=lambda device: device.key)
def test_every_device_is_complete_and_cites_a_source(device: Device) -> None:
    assert device.source is not None
    assert reference(device.source).address
    if device.is_cpu:
        assert device.memory_gb == 0
        return
    assert device.memory_gb > 0
    assert device.bandwidth_gb_per_s is not None
    assert (device.tensor_tflops is None) == (device.tensor_dtype is None)
    if device.memory_options_gb:
        assert device.memory_gb == min(device.memory_options_gb)
    if device.driver_memory_mib:
        assert 0.93 < device.memory_bytes / (device.memory_gb * 2**30) <= 1.01


@pytest.mark.parametrize("device", [d for d in all_devices() if d.compute_capability], ids=lambda device: device.key)
def test_number_formats_follow_the_compute_capability(device: Device) -> None:
    capability = float(device.compute_capability or 0)
    assert device.vendor == "nvidia"
    assert device.bf16 is (capability >= BF16_SINCE)
    assert device.fp8 is (capability >= FP8_SINCE)
    assert device.fp4 is (capability >= FP4_SINCE)
    if device.tensor_dtype:
        assert device.tensor_dtype == ("bf16" if device.bf16 else "fp16")
