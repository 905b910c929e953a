"""Azure Retail Prices: pages of JSON; no account is needed.

Windows, Spot and Low Priority have rows of their own under the same `armSkuName`, and are told
apart by the names of product, SKU and meter alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from fairlead.costs.priced import Price
from fairlead.costs.refresh.shape import listing, text

HOST = "https://prices.azure.com"
NAMES_AT_ONCE = 10
_SERVICE = "Azure Retail Prices"
_NOT_LINUX = ("Windows", "CloudServices", "Cloud Services")
_NOT_DEMAND = ("Spot", "Low Priority")


class Found(NamedTuple):
    """Prices of an hour by machine: on demand, and spot."""

    hourly: dict[str, Price]
    spot: dict[str, Price]


def path(region: str, names: Sequence[str]) -> str:
    """Where the machines with these names are listed, for a region."""
    named = " or ".join(f"armSkuName eq '{name}'" for name in names)
    asked = (
        f"serviceName eq 'Virtual Machines' and armRegionName eq '{region}'"
        f" and priceType eq 'Consumption' and ({named})"
    )
    return f"/api/retail/prices?{urlencode({'$filter': asked})}"


def page(document: Mapping[str, Any]) -> tuple[Sequence[Mapping[str, Any]], str]:
    """The items of a page, and the address of the next; "" for none. Raises PricesUnreachable."""
    return listing(_SERVICE, document, "Items"), text(document, "NextPageLink")


def machine_prices(items: Iterable[Mapping[str, Any]], region: str, read: str) -> Found:
    """The prices of Linux in a region. read: the day on which they hold, today.

    A machine with two prices is left out.
    """
    hourly: dict[str, set[float]] = {}
    spot: dict[str, set[float]] = {}
    for item in items:
        usd, name = item.get("retailPrice"), text(item, "armSkuName")
        if not _counts(item, region) or not isinstance(usd, int | float) or usd <= 0:
            continue
        if not any(word in _kind(item) for word in _NOT_DEMAND):
            hourly.setdefault(name, set()).add(float(usd))
        elif "Spot" in _kind(item):
            spot.setdefault(name, set()).add(float(usd))
    source = f"Azure Retail Prices, {region}"
    return Found(_sure(hourly, source, read), _sure(spot, source, read))


def _counts(item: Mapping[str, Any], region: str) -> bool:
    product = text(item, "productName")
    return (
        text(item, "type") == "Consumption"
        and text(item, "currencyCode") == "USD"
        and text(item, "unitOfMeasure") == "1 Hour"
        and text(item, "armRegionName") == region
        and not any(word in product for word in _NOT_LINUX)
    )


def _kind(item: Mapping[str, Any]) -> str:
    return f"{text(item, 'skuName')} {text(item, 'meterName')}"


def _sure(found: Mapping[str, set[float]], source: str, read: str) -> dict[str, Price]:
    return {n: Price(min(usd), source, read, "high") for n, usd in found.items() if len(usd) == 1}
