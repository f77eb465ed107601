import pytest

from planner.catalog import find_device, price_per_hour, priced_devices, reference


def test_several_quotes_make_an_interval_around_their_median() -> None:
    price = price_per_hour("h100-sxm")
    assert price is not None
    assert price.low_usd_per_hour < price.expected_usd_per_hour < price.high_usd_per_hour
    assert len(price.quotes) >= 3


def test_a_device_without_a_quote_has_no_price() -> None:
    assert price_per_hour("gtx-1080-ti") is None
    assert price_per_hour("no-such-device") is None


@pytest.mark.parametrize("key", priced_devices())
def test_every_quote_is_dated_and_sourced_and_of_a_known_device(key: str) -> None:
    price = price_per_hour(key)
    assert price is not None
    assert find_device(key).key == key
    assert price.oldest.year >= 2025
    assert all(reference(source).url for source in price.sources)
    assert 0 < price.low_usd_per_hour <= price.expected_usd_per_hour <= price.high_usd_per_hour


def test_quotes_are_sorted_by_device_and_provider() -> None:
    order = [(quote.device, quote.provider) for key in priced_devices() for quote in price_per_hour(key).quotes]  # type: ignore[union-attr]
    assert order == sorted(order)
