"""What a device costs to rent by the hour: dated quotes, and the interval that they span.

Prices go stale: every answer carries its dates, and a user's own price always comes before these.
"""

import datetime
import functools
import statistics
import tomllib
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

DATA = Path(__file__).with_name("prices.toml")


class Quote(BaseModel):
    """One provider's on-demand price of one device."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str = Field(description="key of the device in devices.toml")
    provider: str
    region: str = Field(description="the provider's region, or `all`")
    usd_per_hour: Annotated[float, Field(gt=0)] = Field(description="USD an hour for one device")
    on: datetime.date = Field(description="day of publication, else of reading")
    source: str = Field(description="key into references.toml")


class Price(BaseModel):
    """The span of today's quotes for one device, USD an hour; one quote gives an interval without width."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    device: str
    low_usd_per_hour: float
    expected_usd_per_hour: float = Field(description="median of the quotes")
    high_usd_per_hour: float
    quotes: tuple[Quote, ...]

    @property
    def oldest(self) -> datetime.date:
        """The day of the oldest quote, to say how far the interval can be trusted."""
        return min(quote.on for quote in self.quotes)

    @property
    def sources(self) -> tuple[str, ...]:
        """Keys of the sources, sorted."""
        return tuple(sorted({quote.source for quote in self.quotes}))


def price_per_hour(device_key: str) -> Price | None:
    """What one device costs an hour on demand, or `None` when no quote is known; never zero."""
    quotes = _quotes().get(device_key)
    if not quotes:
        return None
    amounts = [quote.usd_per_hour for quote in quotes]
    return Price(
        device=device_key,
        low_usd_per_hour=min(amounts),
        expected_usd_per_hour=round(statistics.median(amounts), 4),
        high_usd_per_hour=max(amounts),
        quotes=quotes,
    )


def priced_devices() -> tuple[str, ...]:
    """Keys of the devices that have a price, sorted."""
    return tuple(sorted(_quotes()))


@functools.cache
def _quotes() -> dict[str, tuple[Quote, ...]]:
    grouped: dict[str, tuple[Quote, ...]] = {}
    for row in tomllib.loads(DATA.read_text(encoding="utf-8"))["quote"]:
        quote = Quote.model_validate(row)
        grouped[quote.device] = (*grouped.get(quote.device, ()), quote)
    return grouped
