"""Which device is meant, what it holds, how fast it is and what it costs: intervals where only a size is known."""

from __future__ import annotations

import statistics
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from adapt.estimates.problems import told
from planner.catalog import all_devices, parse_hardware_name, price_per_hour
from planner.documents import InputError
from planner.memory import Interval

if TYPE_CHECKING:
    from planner.catalog import Device

TERA = 1e12
#: Devices whose marketed size differs from the asked one by less than this stand for it.
SAME_SIZE = 0.02


class Target(NamedTuple):
    """One kind of device. None is unknown.

    flops: dense half-precision operations a second of one device; price: US dollars an hour of one device;
    usd_per_tflops_hour: price over rate of each device, for cost. Intervals go over the devices in `like` when
    only a size was given.
    """

    key: str
    name: str
    memory_bytes: int
    devices: int
    flops: Interval | None
    watts: float | None
    price: Interval | None
    usd_per_tflops_hour: Interval | None
    priced_on: str | None
    like: tuple[str, ...] = ()
    bf16: bool | None = None
    alone: bool = False
    """Whether it is a machine's only one, so that several cannot share a model."""

    @property
    def kind(self) -> str:
        """What the ledger calls this device; a size alone is no kind of device."""
        return device_kind(self.name) if not self.like else self.key


@cache
def device_kind(name: str) -> str:
    """One spelling for a device's name as drivers, vendors and people write it, for comparing ledger rows."""
    from planner.catalog import CatalogError, find_device

    try:
        return find_device(name).key
    except CatalogError:
        return " ".join(name.lower().split())


def target_of(text: str, *, price: float | None = None) -> Target:
    """The device that a word such as `a10g`, `24gb` or `8xh100` means.

    Args:
        text: a catalog name, a size, or either with a count.
        price: the user's own price of one device in US dollars an hour, which stands before the catalog's.

    Raises:
        InputError: the name is not known, the device has no memory of its own, or the price is negative.
    """
    with told():
        device, count = parse_hardware_name(text)
    return as_target(device, count, price=price)


def as_target(device: Device, count: int = 1, *, price: float | None = None) -> Target:
    """A device of the catalog with rates and prices.

    Raises:
        InputError: it has no memory of its own, or the price is negative.
    """
    if device.memory_bytes <= 0:
        message = f"The device `{device.key}` has no memory of its own."
        raise InputError.one("MEM004", message, "Name an accelerator, or a size such as 24gb.", pointer="/device")
    if price is not None and not 0 <= price < float("inf"):
        raise InputError.one("MEM005", f"The price {price:g} is not an amount.", "Give US dollars an hour.")
    like = _of_size(device) if device.vendor == "any" else (device,)
    rates = [each.tensor_tflops * TERA for each in like if each.tensor_tflops]
    prices = {each.key: found for each in like if (found := _price(each, price)) is not None}
    relative = [prices[d.key].times(1 / d.tensor_tflops) for d in like if d.key in prices and d.tensor_tflops]
    quotes = [quote for each in like if (quote := price_per_hour(each.key)) is not None]
    return Target(
        key=device.key,
        name=device.name,
        memory_bytes=device.memory_bytes,
        devices=count,
        flops=_span([Interval(rate, rate, rate) for rate in rates]),
        watts=device.tdp_w,
        price=_span(list(prices.values())),
        usd_per_tflops_hour=_span(relative),
        priced_on=min((q.oldest.isoformat() for q in quotes), default=None) if price is None else None,
        like=tuple(each.key for each in like) if device.vendor == "any" else (),
        bf16=device.bf16,
        alone=device.memory_kind == "unified",
    )


def every_target() -> tuple[Target, ...]:
    """Every accelerator of the catalog that has memory of its own, in the order of their keys."""
    return tuple(as_target(device) for device in all_devices() if device.memory_bytes > 0)


def _of_size(device: Device) -> tuple[Device, ...]:
    return tuple(
        each
        for each in all_devices()
        if each.memory_kind == "dedicated" and abs(each.memory_gb - device.memory_gb) <= SAME_SIZE * device.memory_gb
    )


def _price(device: Device, own: float | None) -> Interval | None:
    if own is not None:
        return Interval(own, own, own)
    quote = price_per_hour(device.key)
    if quote is None:
        return None
    return Interval(quote.low_usd_per_hour, quote.expected_usd_per_hour, quote.high_usd_per_hour)


def _span(values: list[Interval]) -> Interval | None:
    """The lowest, the median and the highest of several intervals."""
    if not values:
        return None
    low, middle, high = zip(*values, strict=True)
    return Interval(min(low), statistics.median(middle), max(high))
